// One class: its accuracy under every strategy and what it is taken for.
function showClass(section) {
  const [s, c] = byId("class").value.split(" ").map(Number), stage = section.stages[s], test = stage.test[c];
  byId("class-facts").textContent = `${stage.classes[c]}: ${stage.name} class with ${stage.train[c]} training rows and ${test} test rows${test < 5 ? ", too few to say much" : ""}. Shares of its test rows, mean over seeds.`;
  const rows = section.entries.map((entry) => ({ entry, top1: test ? accuracy(entry, s, c, test) : null }));
  rows.sort((a, b) => b.top1 - a.top1);
  const several = new Set(section.entries.map((entry) => entry.backbone)).size > 1;
  const body = rows.map(({ entry, top1 }) => {
    const kept = entry.taken[s]?.[c], others = [];
    for (let k = 0; kept && k < kept.length; k += 2) others.push(`${stage.classes[kept[k]]} ${((100 * kept[k + 1]) / entry.seeds.length / test).toFixed(0)} %`);
    const button = make("button", { type: "button" }, title(entry) + (several ? `, ${entry.backbone}` : ""));
    button.addEventListener("click", () => find(section, entry));
    const text = kept ? others.slice(0, 5).join(", ") || "no other" : "not recorded";
    return make("tr", { class: entry.names.includes("none") ? "plain" : undefined }, make("th", { scope: "row", class: "text" }, button), cell(fixed(top1)), cell(text, "text"));
  });
  if (!test) return byId("taken").replaceChildren(make("caption", {}, "The class has no test rows."));
  const heads = [["strategy", "text"], ["top-1"], ["taken for", "text"]];
  byId("taken").replaceChildren(make("thead", {}, make("tr", {}, ...heads.map(([head, kind]) => make("th", { scope: "col", class: kind }, head)))), make("tbody", {}, ...body));
}
