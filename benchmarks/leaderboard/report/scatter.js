// Tail against head as inline SVG: one tab stop, arrow keys from point to point, Enter or a click to the row.
const BOX = { left: 56, right: 790, top: 24, bottom: 420, width: 800, height: 470 };

// What a strategy sees, as class and shape: image alone, product name, all test rows together.
const KIND = ["", " names", " rows"];

function outline(kindAt, x, y, r) {
  if (kindAt === 0) return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  if (kindAt === 1) return `M${x} ${y - r - 1}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z`;
  return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`;
}

function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((one) => one >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return [found, Math.max(0, -Math.floor(Math.log10(step)))];
}

function scale(values, from, to) {
  const low = Math.min(...values), high = Math.max(...values), margin = (high - low || 0.1) * 0.08;
  const place = (value) => from + ((value - low + margin) / (high - low + 2 * margin)) * (to - from);
  return { place, low: low - margin, high: high + margin };
}

function showScatter(section) {
  const points = section.entries.filter((e) => e.x !== null && e.y !== null);
  byId("scatter").replaceChildren();
  for (const entry of section.entries) entry.point = null;
  if (!points.length) return byId("scatter").append(make("p", {}, "No test rows to draw."));
  const x = scale(points.map((e) => e.x), BOX.left, BOX.right), y = scale(points.map((e) => e.y), BOX.bottom, BOX.top);
  const svg = draw("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "group", "aria-label": `${section.up} against ${section.across}` });
  svg.append(...axisLines(section, x, y), ...frontLines(points, x, y));
  const tip = make("div", { id: "tip", hidden: true });
  const most = Math.max(...points.map((e) => e.seconds)) || 1;
  const order = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  for (const entry of points) svg.append((entry.point = point(section, entry, x.place(entry.x), y.place(entry.y), most, tip)));
  svg.append(...labels(points, x, y));
  for (const entry of points) if (entry.names.includes("none")) svg.append(entry.point);
  order[0].point.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => move(event, order));
  byId("scatter").append(svg, tip, legend(points));
}

function axisLines(section, x, y) {
  const { left, right, top, bottom } = BOX, lines = [];
  for (const [axis, from] of [[x, "x"], [y, "y"]]) {
    const [found, digits] = ticks(axis.low, axis.high);
    for (const tick of found) {
      const at = axis.place(tick);
      lines.push(draw("line", from === "x" ? { class: "grid", x1: at, x2: at, y1: top, y2: bottom } : { class: "grid", x1: left, x2: right, y1: at, y2: at }));
      lines.push(draw("text", from === "x" ? { x: at, y: bottom + 20, "text-anchor": "middle" } : { x: left - 6, y: at + 5, "text-anchor": "end" }, tick.toFixed(digits)));
    }
  }
  lines.push(draw("path", { class: "axis", fill: "none", d: `M${left} ${top}V${bottom}H${right}` }));
  lines.push(draw("text", { x: left, y: bottom + 42 }, section.across), draw("text", { x: 4, y: 15 }, section.up));
  return lines;
}

function frontLines(points, x, y) {
  const keys = new Set(points.map((e) => JSON.stringify([e.backbone, e.kind])));
  return [...keys].map((key) => {
    const best = points.filter((e) => e.front && JSON.stringify([e.backbone, e.kind]) === key).sort((a, b) => a.x - b.x || b.y - a.y);
    return draw("path", { class: "front", d: best.map((e, k) => `${k ? "L" : "M"}${x.place(e.x)} ${y.place(e.y)}`).join("") });
  });
}

// Names of the front's points where there is room; the others tell theirs on hover.
function labels(points, x, y) {
  const taken = [], found = [];
  for (const e of points.filter((one) => one.front || one.names.includes("none"))) {
    const text = title(e).length > 34 ? `${title(e).slice(0, 33)}…` : title(e), long = text.length * 7;
    const [px, py] = [x.place(e.x), y.place(e.y)], end = px > BOX.right - long - 16;
    const from = end ? px - long - 14 : px;
    if (taken.some(([a, b, c]) => Math.abs(b - py) < 15 && from < c && a < from + long)) continue;
    taken.push([from, py, from + long]);
    found.push(draw("text", { class: "name", x: end ? px - 14 : px + 14, y: py + 4, "text-anchor": end ? "end" : "start", "aria-hidden": "true" }, text));
  }
  return found;
}

function point(section, entry, px, py, most, tip) {
  const r = 3 + 9 * Math.sqrt(entry.seconds / most), plain = entry.names.includes("none");
  const kind = `point${KIND[entry.kindAt]}${entry.front ? " best" : ""}${plain ? " plain" : ""}`;
  const told = `${title(entry)}, ${entry.backbone}: ${section.up} ${fixed(entry.y)}, ${section.across} ${fixed(entry.x)}, group ${entry.group}, ${time(entry.seconds)}`;
  const node = draw("path", { class: kind, d: outline(entry.kindAt, px, py, r), tabindex: "-1", role: "button", "aria-label": told });
  const show = () => {
    tip.textContent = told;
    tip.hidden = false;
    const wide = byId("scatter").clientWidth, at = (px / BOX.width) * wide;
    tip.style.left = `${Math.max(0, Math.min(at + 12, wide - tip.offsetWidth))}px`;
    tip.style.top = `${(py / BOX.width) * wide + 14}px`;
  };
  const hide = () => { tip.hidden = true; };
  node.addEventListener("mouseenter", show);
  node.addEventListener("mouseleave", hide);
  node.addEventListener("focus", show);
  node.addEventListener("blur", hide);
  node.addEventListener("click", () => find(section, entry));
  return node;
}

function move(event, order) {
  const at = order.findIndex((entry) => entry.point === document.activeElement);
  if (at < 0) return;
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); order[at].point.dispatchEvent(new MouseEvent("click")); return; }
  const next = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: order.length - 1 }[event.key];
  if (next === undefined || !order[next]) return;
  event.preventDefault();
  order[at].point.setAttribute("tabindex", "-1");
  order[next].point.setAttribute("tabindex", "0");
  order[next].point.focus();
}

function legend(points) {
  const rows = [...new Set(points.map((e) => e.kind))].map((kind) => {
    const at = points.find((e) => e.kind === kind).kindAt;
    return [`point best${KIND[at]}`, outline(at, 7, 7, 6), `sees: ${kind}`];
  });
  if (points.some((e) => e.names.includes("none"))) rows.push(["point plain", outline(0, 7, 7, 6), "plain training (none)"]);
  return make("div", { class: "key" }, ...rows.map(([kind, d, text]) => make("span", {}, draw("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, draw("path", { class: kind, d })), text)));
}
