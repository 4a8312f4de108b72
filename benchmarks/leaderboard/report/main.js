// Reads the content and fills the page.
const content = JSON.parse(byId("content").textContent);

function go(id) {
  byId(id).scrollIntoView();
  byId(id).focus({ preventScroll: true });
}

function showSection(section) {
  const seeds = Math.max(...section.entries.map((entry) => entry.seeds.length));
  const stages = section.stages.map((stage) => `${stage.classes.length} ${stage.name} classes (${stage.rows} test rows)`);
  byId("conditions").textContent = `${section.title}: ${stages.join(" and ")}; up to ${seeds} seed${seeds === 1 ? "" : "s"}.` +
    (seeds < 3 ? " So few seeds say little about what another training would give." : "");
  Object.assign(ranking, { sort: null, down: true });
  const kinds = [...new Set(section.entries.map((entry) => entry.kind))].sort();
  options(byId("kind"), [["", "anything"], ...kinds.map((kind) => [kind, kind])]);
  const groups = [...new Set(section.entries.map((entry) => entry.group))].sort((a, b) => a - b);
  options(byId("group"), [["", "all"], ...groups.map((group) => [String(group), String(group)])]);
  const several = new Set(section.entries.map((entry) => entry.backbone)).size > 1;
  const names = section.entries.map((entry, k) => [String(k), title(entry) + (several ? `, ${entry.backbone}` : "")]);
  const plain = Math.max(0, section.entries.findIndex((entry) => entry.names.includes("none")));
  const best = Math.max(0, section.entries.findIndex((entry, k) => k !== plain && !entry.kindAt));
  options(byId("first"), names, String(best));
  options(byId("second"), names, String(plain));
  options(byId("class"), section.stages.flatMap((stage, s) => stage.classes.map((name, c) => [`${s} ${c}`, `${name} (${stage.name})`])).sort((a, b) => b[0][0] - a[0][0] || a[0].slice(2) - b[0].slice(2)));
  showScatter(section);
  showRanking(section);
  showTwo(section);
  showClass(section);
  byId("recipe").replaceChildren(...[["fingerprint", section.fingerprint], ...section.recipe].flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function showTwo(section) {
  showPair(section);
  showCurves(section);
  showRows(section);
}

function start() {
  const chosen = () => content.sections[byId("section").value];
  options(byId("section"), content.sections.map((section, k) => [String(k), `${k + 1}. ${section.title}`]));
  byId("section-choice").hidden = content.sections.length < 2;
  byId("section").addEventListener("change", () => showSection(chosen()));
  for (const id of ["filter", "kind", "group"]) byId(id).addEventListener("input", () => filterRanking(chosen()));
  for (const id of ["first", "second"]) byId(id).addEventListener("change", () => showTwo(chosen()));
  byId("class").addEventListener("change", () => { showClass(chosen()); showRows(chosen()); });
  for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
  if (content.failed.length) {
    byId("failed").append(make("h3", {}, "Failed cells"), make("ul", {}, ...content.failed.map((one) => make("li", {}, `${one.name}: ${one.error}`))));
  }
  if (content.sections.length) showSection(chosen());
  else byId("conditions").textContent = "No cell has finished.";
}

start();
