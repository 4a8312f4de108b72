// Test rows of one class that changed sides between the two strategies, as small pictures where the page holds some.
function showRows(section) {
  const place = byId("rows"), [s, c] = byId("class").value.split(" ").map(Number);
  const kept = section.pictures?.[s]?.[c] ?? [];
  place.hidden = !section.pictures;
  if (!section.pictures) return;
  const pair = ["first", "second"].map((slot) => section.entries[byId(slot).value]);
  const start = sum(section.stages[s].test.slice(0, c)), rows = section.stages[s].rows;
  const right = pair.map((entry) => (section.hasBits ? entry.bits[s].map((bits) => unpack(bits, rows)) : []));
  const counted = kept.map(([at, source]) => ({ at, source, hits: right.map((seeds) => sum(seeds.map((bits) => bits[start + at]))) }));
  const changed = counted.filter(({ hits }) => hits[0] / (right[0].length || 1) !== hits[1] / (right[1].length || 1));
  const of = (k, hits) => `${["first", "second"][k]} right in ${hits[k]} of ${right[k].length}`;
  const figures = changed.map(({ at, source, hits }) => make("figure", { class: hits[0] / right[0].length > hits[1] / right[1].length ? "better" : "worse" },
    make("img", { src: source, alt: `test row ${at + 1} of ${section.stages[s].classes[c]}`, loading: "lazy" }), make("figcaption", {}, of(0, hits), make("br"), of(1, hits))));
  place.replaceChildren(
    make("h3", {}, "Test rows that changed sides"),
    make("p", {}, `First: ${title(pair[0])}. Second: ${title(pair[1])}. ${changed.length} of the ${kept.length} rows of this class that differ most between strategies differ between these two; hits are counted over seeds.`),
    make("div", { class: "pictures" }, ...figures));
}
