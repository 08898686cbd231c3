// A run, opened: what Python tells of it, its vectors, and places in the space of weights. A place is a value:
// { kind: "plane", a, b }, { kind: "checkpoint", name }, { kind: "rollback", order, share } or { kind: "random", step }.

class Run {
  static async open({ told, packed }) {
    return new Run(told, await openRun(packed));
  }

  constructor(told, opened) {
    Object.assign(this, told);
    this.opened = opened;
    this.model = { config: opened.config, parameters: opened.parameters };
    this.start = opened.vectors[told.own];
    this.end = opened.vectors[told.last];
    this.p = opened.vectors[told.inside];
    this.delta = mix(this.end, [[-1, this.start]]);
    this.q = mix(this.delta, [[-1, this.p]]);
    this.lattice = Object.fromEntries(this.order.map((key) => [key, opened.arrayOf(opened.manifest.lattice[key])]));
  }

  // All weights at a place, one Float32Array.
  vectorAt(where) {
    const { vectors, manifest, arrayOf } = this.opened;
    if (where.kind === "plane") return mix(this.start, [[where.a, this.q], [where.b, this.p]]);
    if (where.kind === "checkpoint") return vectors[where.name];
    if (where.kind === "rollback") {
      const levels = arrayOf(manifest.levels[where.order]);
      return this.end.map((weight, i) => (levels[i] <= where.share ? this.start[i] : weight));
    }
    const bits = arrayOf(manifest[this.signs]), each = where.step * this.longer / Math.sqrt(this.start.length);
    return this.start.map((weight, i) => weight + (bits[i >> 3] & (128 >> (i & 7)) ? each : -each));
  }

  // A vector's place in the plane, how far off the plane it is, from the harmed domain's checkpoint and from the end.
  seen(vector) {
    const step = mix(vector, [[-1, this.start]]);
    const a = dot(step, this.q) / dot(this.q, this.q), b = dot(step, this.p) / dot(this.p, this.p);
    const off = mix(step, [[-a, this.q], [-b, this.p]]), left = mix(step, [[-1, this.delta]]);
    return { a, b, away: length(off), fromStart: length(step), fromEnd: length(left) };
  }

  // A domain's score at a point of the plane, between those of the lattice; null outside it.
  known(key, a, b) {
    const column = position(this.grid.a, a), row = position(this.grid.b, b);
    if (column === null || row === null) return null;
    const values = this.lattice[key], width = this.grid.a[2];
    const i = Math.floor(column), j = Math.floor(row), s = column - i, t = row - j;
    const at = (y, x) => values[Math.min(y, this.grid.b[2] - 1) * width + Math.min(x, width - 1)] / this.grid.unit;
    return (1 - t) * ((1 - s) * at(j, i) + s * at(j, i + 1)) + t * ((1 - s) * at(j + 1, i) + s * at(j + 1, i + 1));
  }

  // The control: the whole update shortened by as much as a vector is away from the end; its share s, null if it is
  // farther away than the update is long.
  shrunk(seen) {
    const share = 1 - seen.fromEnd / length(this.delta);
    return share < -1e-6 ? null : Math.max(0, share);
  }
}

function position([first, last, count], value) {
  const place = (value - first) / (last - first) * (count - 1);
  return place < -1e-9 || place > count - 1 + 1e-9 ? null : Math.max(0, place);
}

function dot(x, y) { return x.reduce((sum, each, i) => sum + each * y[i], 0); }

function length(x) { return Math.sqrt(dot(x, x)); }

// A number as text: a minus sign that is one, no minus before zero.
function written(value, digits) { return value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "−"); }

// A place as the page's address has it, and back; null if it is none of this run's.
function placeText(where) {
  return Object.values(where).map((each) => (typeof each === "number" ? +each.toFixed(3) : each)).join("~");
}

function placeFrom(run, text) {
  const [kind, first, second] = (text || "").split("~");
  const inside = ([low, high], value) => value !== "" && value >= low && value <= high;
  if (kind === "plane" && inside(run.grid.a, first ?? "") && inside(run.grid.b, second ?? ""))
    return { kind, a: +first, b: +second };
  if (kind === "checkpoint" && run.spots.some((spot) => spot.name === first)) return { kind, name: first };
  if (kind === "rollback" && Object.hasOwn(run.orders, first) && (second === "-1" || run.shares[second]))
    return { kind, order: first, share: +second };
  if (kind === "random" && inside(run.steps, first ?? "")) return { kind, step: +(+first).toFixed(1) };
  return null;
}
