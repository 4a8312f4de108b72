// Building elements. Every name of a class or a strategy becomes text, never markup.
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = attributes.svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "svg" || value === undefined || value === null || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

const draw = (tag, attributes = {}, ...children) => make(tag, { ...attributes, svg: true }, ...children);
const cell = (text, kind = "") => make("td", { class: kind || undefined }, text);
const title = (entry) => entry.names.join(" = ");
const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const signed = (value) => (value > 0 ? "+" : "") + value.toFixed(3).replace(/^-(0\.0+)$/, "$1");
const time = (seconds) => (seconds >= 120 ? `${(seconds / 60).toFixed(1)} min` : `${fixed(seconds, 1)} s`);

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
}

// A bar with zero in the middle: the interval as a line, the difference as a point.
function bar(found, widest, name) {
  const x = (value) => 60 + (Math.max(-widest, Math.min(widest, value)) / widest) * 56;
  const node = draw("svg", { viewBox: "0 0 120 14", class: "bar", role: "img", "aria-label": name });
  node.append(draw("line", { class: "zero", x1: 60, x2: 60, y1: 0, y2: 14 }));
  if (found.low !== null) node.append(draw("line", { class: "interval", x1: x(found.low), x2: x(found.high), y1: 7, y2: 7 }));
  node.append(draw("circle", { class: "dot", cx: x(found.value), cy: 7, r: 3.5 }));
  return node;
}
