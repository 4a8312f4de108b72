// Two strategies, class by class: who is ahead, with paired intervals.
function showPair(section) {
  const one = section.entries[byId("first").value], other = section.entries[byId("second").value];
  const rows = section.stages.flatMap((stage, s) =>
    differences(section, one, other, s).map((found, c) => ({ stage, s, c, found })).filter((row) => row.found));
  rows.sort((a, b) => b.found.value - a.found.value);
  const widest = Math.max(0.05, ...rows.map((row) => Math.abs(row.found.value)));
  const wins = { first: 0, second: 0 };
  const body = rows.map(({ stage, s, c, found }) => {
    const winner = found.low === null ? "" : found.low > 0 ? "first" : found.high < 0 ? "second" : "";
    if (winner) wins[winner] += 1;
    const test = stage.test[c], bounds = found.low === null ? "" : ` [${signed(found.low)}, ${signed(found.high)}]`;
    const text = `${signed(found.value)}${bounds}`, colour = winner === "first" ? "better" : winner === "second" ? "worse" : "soft";
    return make("tr", {}, make("th", { scope: "row", class: "text" }, stage.classes[c]), cell(stage.name, "text"), cell(String(stage.train[c])), cell(String(test)),
      cell(fixed(accuracy(one, s, c, test))), cell(fixed(accuracy(other, s, c, test))), cell(text, colour), cell(bar(found, widest, text), colour), cell(winner || "–", "text"));
  });
  const heads = ["class", "stage", "training rows", "test rows", "first", "second", "first minus second [95 %]", "", "ahead"];
  byId("pairs").replaceChildren(
    make("caption", {}, `First: ${title(one)} (${one.backbone}). Second: ${title(other)} (${other.backbone}).`),
    make("thead", {}, make("tr", {}, ...heads.map((head, k) => make("th", { scope: "col", class: [0, 1, 8].includes(k) && "text" }, head || make("span", { "aria-hidden": "true" }, "difference"))))),
    make("tbody", {}, ...body));
  const bits = section.hasBits && one.seeds.some((seed) => other.seeds.includes(seed));
  byId("verdict").textContent = one === other ? "Pick two different strategies." : bits
    ? `${title(one)} is ahead in ${wins.first} classes, ${title(other)} in ${wins.second}; ${rows.length - wins.first - wins.second} of ${rows.length} cannot be told apart. Paired 95 % intervals, not corrected: about one in twenty classes would seem different by chance.`
    : "Differences without intervals: the page does not hold their test rows, or they have no seed in common.";
}
