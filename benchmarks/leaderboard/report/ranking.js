// The table of strategies: sorted by any column, filtered, each row opens to how its cells were made.
const ranking = { sort: null, down: true };

function rankingColumns(section) {
  const several = new Set(section.entries.map((entry) => entry.backbone)).size > 1;
  return [
    { header: "group", text: true, value: (e) => e.group, show: (e) => String(e.group) },
    { header: "ranks", text: true, value: (e) => e.ranks[0], show: (e) => [...new Set(e.ranks)].join("–") },
    ...(several ? [{ header: "backbone", text: true, value: (e) => e.backbone, show: (e) => e.backbone }] : []),
    { header: "strategy", text: true, value: (e) => title(e), name: true },
    ...section.columns.map(([, header], k) => ({
      header, down: true, value: (e) => e.values[k],
      show: (e) => fixed(e.values[k]) + (e.spread[k] === null ? "" : ` ± ${fixed(e.spread[k])}`),
    })),
    ...section.stages.map((stage, s) => ({
      header: `${stage.name} minus plain`, down: true, value: (e) => e.against[s]?.[0] ?? null, show: (e) => against(e.against[s]),
      kind: (e) => (e.against[s]?.[3] ? (e.against[s][0] > 0 ? "better" : "worse") : ""),
    })).reverse(),
    { header: "cost alone", value: (e) => e.seconds, show: (e) => time(e.seconds) },
    { header: "seeds", value: (e) => e.seeds.length, show: (e) => String(e.seeds.length) },
  ];
}

function against(found) {
  if (!found) return "–";
  const [value, low, high, real] = found;
  const bounds = low === null ? "" : ` [${signed(low)}, ${signed(high)}]`;
  return `${signed(value)}${bounds}${real ? (value > 0 ? " ▲" : " ▼") : ""}`;
}

function ordered(section) {
  const column = rankingColumns(section).find((one) => one.header === ranking.sort);
  const entries = [...section.entries].sort((a, b) => a.kindAt - b.kindAt || section.entries.indexOf(a) - section.entries.indexOf(b));
  if (!column) return entries;
  const direction = ranking.down ? -1 : 1;
  return entries.sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return direction * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

function shown(entry) {
  const wanted = byId("filter").value.trim().toLowerCase(), kind = byId("kind").value, group = byId("group").value;
  const text = `${title(entry)} ${entry.backbone}`.toLowerCase();
  return text.includes(wanted) && (!kind || entry.kind === kind) && (!group || String(entry.group) === group);
}

function showRanking(section) {
  const columns = rankingColumns(section);
  const heads = columns.map((column) => {
    const own = ranking.sort === column.header;
    const button = make("button", { type: "button" }, column.header);
    button.addEventListener("click", () => {
      Object.assign(ranking, own ? { down: !ranking.down } : { sort: column.header, down: Boolean(column.down) });
      showRanking(section);
      [...byId("table").querySelectorAll("thead button")].find((one) => one.textContent === column.header).focus();
    });
    const sort = own ? (ranking.down ? "descending" : "ascending") : "none";
    return make("th", { scope: "col", class: column.text && "text", "aria-sort": sort }, button);
  });
  let before = null;
  const rows = ordered(section).map((entry) => {
    const starts = !ranking.sort && before && (before.group !== entry.group || before.kind !== entry.kind);
    before = entry;
    const row = make("tr", { class: `${entry.names.includes("none") ? "plain" : ""} ${starts ? "group-start" : ""}` });
    row.append(...columns.map((column) => (column.name ? named(section, entry, row) : cell(column.show(entry), column.kind?.(entry) || (column.text && "text")))));
    entry.row = row;
    return row;
  });
  byId("table").replaceChildren(make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  filterRanking(section);
}

function named(section, entry, row) {
  const button = make("button", { type: "button", "aria-expanded": "false" }, title(entry));
  button.addEventListener("click", () => toggle(section, entry, row, button));
  return make("th", { scope: "row", class: "text" }, button);
}

function toggle(section, entry, row, button, open = button.getAttribute("aria-expanded") !== "true") {
  if (open === (button.getAttribute("aria-expanded") === "true")) return;
  button.setAttribute("aria-expanded", String(open));
  if (!open) return row.nextSibling.remove();
  const told = entry.cells.flatMap((one) => [
    make("p", {}, `Seed ${one.seed}: `, make("code", {}, one.command)),
    make("p", { class: "soft" }, [one.made, one.device, `key ${one.key}`, ...one.notes].join(" · ")),
  ]);
  const first = make("p", {}, `${entry.backbone}; sees: ${entry.kind}. `);
  if (entry.names.length > 1) first.append("Its strategies are right on the same test rows in every seed. ");
  for (const [slot, text] of [["first", "Compare as first"], ["second", "Compare as second"]]) {
    const pick = make("button", { type: "button" }, text);
    pick.addEventListener("click", () => { byId(slot).value = String(section.entries.indexOf(entry)); showTwo(section); go("compare"); });
    first.append(pick, " ");
  }
  row.after(make("tr", { class: "details" }, make("td", { colspan: row.children.length }, first, ...told)));
}

function filterRanking(section) {
  let count = 0;
  for (const entry of section.entries) {
    const visible = shown(entry);
    count += visible;
    entry.row.hidden = !visible;
    if (entry.row.nextSibling?.classList.contains("details")) entry.row.nextSibling.hidden = !visible;
    entry.point?.classList.toggle("faded", !visible);
  }
  byId("count").textContent = `${count} of ${section.entries.length} rows`;
}

// Show the row of an entry, opened and focused, whatever is filtered now.
function find(section, entry) {
  if (!shown(entry)) { byId("filters").reset(); filterRanking(section); }
  for (const row of byId("table").querySelectorAll(".found")) row.classList.remove("found");
  entry.row.classList.add("found");
  const button = entry.row.querySelector("th button");
  toggle(section, entry, entry.row, button, true);
  button.scrollIntoView({ block: "center" });
  button.focus({ preventScroll: true });
}
