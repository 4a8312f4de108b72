// Loss and accuracy of each epoch under the two strategies, mean over seeds.
const PLOT = { left: 46, right: 390, top: 26, bottom: 170, width: 400, height: 200 };
const PER_EPOCH = [["accuracies", "training accuracy"], ["losses", "training loss"]];

function showCurves(section) {
  const pair = [["one", section.entries[byId("first").value]], ["other", section.entries[byId("second").value]]];
  const plots = [...section.stages.keys()].reverse().flatMap((s) => PER_EPOCH.map(([what, label]) => {
    const curves = pair.map(([kind, entry]) => [kind, entry, entry.curves[s][what]]).filter(([, , values]) => values.length);
    return curves.length ? plot(`${label}, ${section.stages[s].name}`, what, curves) : null;
  })).filter(Boolean);
  const names = pair.map(([kind, entry]) => make("span", {}, draw("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, draw("path", { class: `curve ${kind}`, d: "M0 7H14" })), title(entry)));
  byId("curves").replaceChildren(...(plots.length ? [make("div", { class: "key" }, ...names), make("div", { class: "plots" }, ...plots)] : [make("p", {}, "These records hold no loss per epoch: an earlier version made them.")]));
}

function plot(label, what, curves) {
  const longest = Math.max(...curves.map(([, , values]) => values.length)), all = curves.flatMap(([, , values]) => values);
  const high = what === "accuracies" ? 1 : Math.max(...all) * 1.05, low = Math.min(0, ...all);
  const x = (epoch) => PLOT.left + (epoch / Math.max(1, longest)) * (PLOT.right - PLOT.left);
  const y = (value) => PLOT.bottom - ((value - low) / (high - low || 1)) * (PLOT.bottom - PLOT.top);
  const told = curves.map(([, entry, values]) => `${title(entry)} ${fixed(values[0])} after epoch 1, ${fixed(values.at(-1))} at the end`).join("; ");
  const node = draw("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": `${label}: ${told}` });
  const [heights, digits] = ticks(low, high), [epochs] = ticks(0, longest);
  for (const tick of heights) node.append(draw("line", { class: "grid", x1: PLOT.left, x2: PLOT.right, y1: y(tick), y2: y(tick) }), draw("text", { x: PLOT.left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(digits)));
  for (const tick of epochs.filter(Number.isInteger)) node.append(draw("text", { x: x(tick), y: PLOT.bottom + 18, "text-anchor": "middle" }, String(tick)));
  node.append(draw("path", { class: "axis", fill: "none", d: `M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}` }), draw("text", { x: 4, y: 14, class: "name" }, `${label} by epoch`));
  for (const [kind, , values] of curves) node.append(draw("path", { class: `curve ${kind}`, d: values.map((value, k) => `${k ? "L" : "M"}${x(k + 1).toFixed(1)} ${y(value).toFixed(1)}`).join("") }));
  return node;
}
