// The policy's forward pass, as in policy/model.py: RMSNorm, attention, SwiGLU, learned positions, a separate head.

const TILE = 2;

// y = x W^T: x (columns, inputs), W (outputs, inputs), y (columns, outputs), row by row; four outputs at least.
// By tiles of two columns and four outputs, so that each number fetched serves several products: four times faster.
// A last tile that would stick out is moved back, and computes some numbers again. A single column is taken with
// whatever lies behind it: x and y must have room for TILE columns.
function multiply(y, x, W, columns, inputs, outputs) {
  for (let first = 0; first < outputs; first += 4) {
    const o = Math.min(first, outputs - 4), w0 = o * inputs, w1 = w0 + inputs, w2 = w1 + inputs, w3 = w2 + inputs;
    for (let tile = 0; tile < columns; tile += TILE) {
      const c = Math.max(0, Math.min(tile, columns - TILE)), x0 = c * inputs, x1 = x0 + inputs;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let i = 0; i < inputs; i++) {
        const p = x[x0 + i], q = x[x1 + i], r = W[w0 + i], s = W[w1 + i], t = W[w2 + i], u = W[w3 + i];
        a0 += r * p; a1 += s * p; a2 += t * p; a3 += u * p;
        b0 += r * q; b1 += s * q; b2 += t * q; b3 += u * q;
      }
      const y0 = c * outputs + o, y1 = y0 + outputs;
      y[y0] = a0; y[y0 + 1] = a1; y[y0 + 2] = a2; y[y0 + 3] = a3;
      y[y1] = b0; y[y1 + 1] = b1; y[y1 + 2] = b2; y[y1 + 3] = b3;
    }
  }
}

// y = x / rms(x) x weight, column by column.
function normalise(y, x, weight, columns) {
  const width = weight.length;
  for (let c = 0, at = 0; c < columns; c++, at += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[at + i] * x[at + i];
    const scale = 1 / Math.sqrt(squares / width + 1e-6);
    for (let i = 0; i < width; i++) y[at + i] = x[at + i] * scale * weight[i];
  }
}

function add(y, x, length) {
  for (let i = 0; i < length; i++) y[i] += x[i];
}

// Numbers in place to log-probabilities.
function logSoftmax(row) {
  let most = -Infinity, total = 0;
  for (let i = 0; i < row.length; i++) most = Math.max(most, row[i]);
  for (let i = 0; i < row.length; i++) total += Math.exp(row[i] - most);
  const shift = most + Math.log(total);
  for (let i = 0; i < row.length; i++) row[i] -= shift;
}

// A policy: sizes and a vector of weights, each parameter a view of it.
class Model {
  constructor({ config, parameters }, vector) {
    this.config = config;
    this.weights = {};
    let at = 0;
    for (const { name, shape } of parameters) {
      const length = shape.reduce((a, b) => a * b, 1);
      this.weights[name] = vector.subarray(at, at + length);
      at += length;
    }
  }

  weight(name) { return this.weights[`${name}.weight`]; }
}

// Prompts and answers that a model has read, as in policy/forest.py: a column is a token that follows an earlier
// column, its parent, or opens a prompt (parent -1). It attends to itself and to its ancestors, whose keys and values
// are kept: a prompt is read once, and answers that begin alike share their columns.
class Reading {
  constructor(model) {
    const { layers, width, vocabulary } = model.config;
    this.model = model;
    this.columns = 0;
    this.parents = new Int32Array(0);
    this.depths = new Int32Array(0);
    this.keysValues = Array.from({ length: layers }, () => new Float32Array(0));  // (columns, keys then values)
    this.logs = new Float32Array(0);  // (columns, vocabulary)
    this.sizes = { keysValues: 2 * width, logs: vocabulary };
  }

  // Log-probabilities of the token that follows a column, (vocabulary,).
  after(column) {
    return this.logs.subarray(column * this.sizes.logs, (column + 1) * this.sizes.logs);
  }

  // Read further columns, a token and a parent each; the number of the first. A parent may be among them.
  read(tokens, parents) {
    const { layers, width, neurons, vocabulary, positions } = this.model.config;
    const weight = (name) => this.model.weight(name);
    const first = this.columns, count = tokens.length, room = Math.max(count, TILE);
    this.reserve(first + room);
    const x = new Float32Array(room * width), normed = new Float32Array(room * width);
    const queries = new Float32Array(room * width), out = new Float32Array(room * width);
    const gate = new Float32Array(room * neurons), up = new Float32Array(room * neurons);
    const token = weight("token"), position = weight("position");
    for (let c = 0; c < count; c++) {
      const depth = parents[c] < 0 ? 0 : this.depths[parents[c]] + 1;
      if (depth >= positions) throw new RangeError(`the policy reads ${positions} tokens, no more`);
      this.parents[first + c] = parents[c];
      this.depths[first + c] = depth;
      for (let i = 0; i < width; i++) x[c * width + i] = token[tokens[c] * width + i] + position[depth * width + i];
    }
    this.columns += count;
    for (let layer = 0; layer < layers; layer++) {
      const block = (name) => weight(`blocks.${layer}.${name}`), kept = this.keysValues[layer];
      normalise(normed, x, block("attention_norm"), count);
      multiply(kept.subarray(first * 2 * width), normed, block("key_value"), count, width, 2 * width);
      multiply(queries, normed, block("query"), count, width, width);
      this.attend(normed, queries, kept, first, count);
      multiply(out, normed, block("attention_out"), count, width, width);
      add(x, out, count * width);
      normalise(normed, x, block("mlp_norm"), count);
      multiply(gate, normed, block("gate"), count, width, neurons);
      multiply(up, normed, block("up"), count, width, neurons);
      for (let i = 0; i < count * neurons; i++) gate[i] *= up[i] / (1 + Math.exp(-gate[i]));
      multiply(out, gate, block("down"), count, neurons, width);
      add(x, out, count * width);
    }
    normalise(normed, x, weight("norm"), count);
    multiply(this.logs.subarray(first * vocabulary), normed, weight("head"), count, width, vocabulary);
    for (let c = first; c < this.columns; c++) logSoftmax(this.after(c));
    return first;
  }

  // Values mixed by how well keys answer queries, head by head: queries (count, width) to y (count, width).
  attend(y, queries, keysValues, first, count) {
    const { width, heads } = this.model.config, size = width / heads, scale = 1 / Math.sqrt(size);
    for (let c = 0; c < count; c++) {
      const path = [];
      for (let column = first + c; column >= 0; column = this.parents[column]) path.push(column * 2 * width);
      for (let from = 0; from < width; from += size) {
        const at = c * width + from, shares = new Float32Array(path.length);
        for (let j = 0; j < path.length; j++) {
          let product = 0;
          for (let i = 0; i < size; i++) product += queries[at + i] * keysValues[path[j] + from + i];
          shares[j] = product * scale;
        }
        logSoftmax(shares);
        y.fill(0, at, at + size);
        for (let j = 0; j < path.length; j++) {
          const share = Math.exp(shares[j]);
          for (let i = 0; i < size; i++) y[at + i] += share * keysValues[path[j] + width + from + i];
        }
      }
    }
  }

  // Room for so many columns.
  reserve(columns) {
    if (columns <= this.parents.length) return;
    const room = Math.max(columns, 2 * this.parents.length);
    const grown = (array, size) => { const more = new array.constructor(room * size); more.set(array); return more; };
    this.parents = grown(this.parents, 1);
    this.depths = grown(this.depths, 1);
    this.keysValues = this.keysValues.map((array) => grown(array, this.sizes.keysValues));
    this.logs = grown(this.logs, this.sizes.logs);
  }
}
