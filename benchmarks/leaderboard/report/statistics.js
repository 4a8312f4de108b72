// The paired interval of one class: `of_class` of benchmarks/records/stats.py, which explains it and is tested against.
const SHRINKAGE = 2, ZERO = 1e-18;

function unpack(text, rows) {
  const bytes = atob(text), bits = new Int8Array(rows);
  for (let n = 0; n < rows; n++) bits[n] = (bytes.charCodeAt(n >> 3) >> (7 - (n & 7))) & 1;
  return bits;
}

function quantile(freedom) {
  const steps = content.quantiles.length - 1, place = Math.min(steps, steps / freedom), below = Math.min(steps - 1, Math.floor(place));
  return content.quantiles[below] + (place - below) * (content.quantiles[below + 1] - content.quantiles[below]);
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const mean = (values) => sum(values) / values.length;

// Sums of squares of the rows start..start+size: of their means over seeds, and of the scatter around those.
function squares(d, start, size) {
  const means = d.map((row) => { let total = 0; for (let n = start; n < start + size; n++) total += row[n]; return total / size; });
  const centre = mean(means);
  let total = 0, square = 0, scatter = 0;
  for (let n = start; n < start + size; n++) {
    let x = 0;
    for (const row of d) x += row[n];
    x /= d.length;
    total += x; square += x * x;
    for (let s = 0; s < d.length; s++) scatter += (d[s][n] - x - (means[s] - centre)) ** 2;
  }
  return { means, centre, rows: Math.max(0, square - (total * total) / size), scatter };
}

function pooled(d, sizes) {
  let tested = sizes.filter((size) => size > 0);
  if (Math.max(...tested) === 1) tested = [tested.length];
  const freedom = sum(tested.map((size) => size - 1)), both = freedom * Math.max(1, d.length - 1);
  let start = 0, rows = 0, scatter = 0;
  for (const size of tested) {
    const found = squares(d, start, size);
    rows += found.rows; scatter += found.scatter; start += size;
  }
  const differ = d.some((row) => row.some((one) => one !== 0));
  return { rows: [rows / freedom, freedom], scatter: [scatter / both, both], differ };
}

function weighted(square, freedom, size, [shared, sharedFreedom]) {
  if (!sharedFreedom) return [NaN, 1];
  const variance = (square + SHRINKAGE * shared) / (freedom + SHRINKAGE) / size;
  if (!(variance > ZERO)) return [variance, 1];
  const own = (freedom + SHRINKAGE) ** 2 / (freedom + SHRINKAGE ** 2 / sharedFreedom);
  return [variance, Math.max(1, Math.min(sharedFreedom, own))];
}

function ofClass(d, start, size, shared) {
  const seeds = d.length, found = squares(d, start, size), value = found.centre;
  const parts = [weighted(found.rows, size - 1, size, shared.rows)];
  if (shared.differ && !(parts[0][0] > ZERO)) return { value, low: null, high: null };
  if (seeds > 1) {
    const [explained] = weighted(found.scatter, (size - 1) * (seeds - 1), size, shared.scatter);
    const between = sum(found.means.map((one) => (one - value) ** 2)) / (seeds - 1) / seeds;
    parts.push([Math.max(0, between - (((seeds - 1) / seeds) * (explained || 0)) / seeds), seeds - 1]);
  }
  const counted = parts.filter(([variance]) => !(variance <= ZERO));
  if (counted.some(([variance]) => Number.isNaN(variance))) return { value, low: null, high: null };
  const half = Math.sqrt(sum(counted.map(([variance, freedom]) => variance * quantile(freedom) ** 2)));
  return { value, low: Math.max(-1, value - half), high: Math.min(1, value + half) };
}

// Per class of a stage {value, low, high}: the first entry minus the second, over the seeds that both have.
function differences(section, one, other, stage) {
  const { test, rows } = section.stages[stage];
  const common = one.seeds.filter((seed) => other.seeds.includes(seed));
  const of = (entry, seed) => unpack(entry.bits[stage][entry.seeds.indexOf(seed)], rows);
  if (!section.hasBits || !common.length) {
    return test.map((n, c) => (n ? { value: accuracy(one, stage, c, n) - accuracy(other, stage, c, n), low: null, high: null } : null));
  }
  const d = common.map((seed) => { const b = of(other, seed); return of(one, seed).map((bit, n) => bit - b[n]); });
  const shared = pooled(d, test);
  let start = 0;
  return test.map((size) => { start += size; return size ? ofClass(d, start - size, size, shared) : null; });
}

const accuracy = (entry, stage, c, test) => entry.hits[stage][c] / entry.seeds.length / test;
