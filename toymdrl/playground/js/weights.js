// Weights out of a page's text: decoded, and mixed. A vector of weights is one Float32Array, all parameters in a row.

const ARRAYS = { int8: Int8Array, uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

// A payload's manifest, and a function from an entry in it to its array: see payload.py.
async function openPayload(payload) {
  const letters = atob(payload.data), packed = new Uint8Array(letters.length);
  for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  const arrayOf = ({ type, shape, offset }) => new ARRAYS[type](bytes, offset, shape.reduce((a, b) => a * b, 1));
  return { manifest: payload.manifest, arrayOf };
}

// A run as PackedRun packs it: { config, parameters, vectors }, the vectors by name; what else is packed, by its entry.
async function openRun(payload) {
  const { manifest, arrayOf } = await openPayload(payload);
  const vectors = {};
  for (const { name, against, scales, planes } of manifest.vectors)  // a vector follows the one it starts at
    vectors[name] = restore(manifest.parameters, vectors[against], arrayOf(scales), planes.map(arrayOf));
  return { config: manifest.model, parameters: manifest.parameters, vectors, manifest, arrayOf };
}

// start + whole number x scale of its row; a number's bytes lie in as many planes, the highest first.
function restore(parameters, start, scales, planes) {
  const vector = start ? start.slice() : new Float32Array(planes[0].length);
  let at = 0, row = 0;
  for (const { shape } of parameters) {
    const columns = shape[shape.length - 1], end = at + shape.reduce((a, b) => a * b, 1);
    for (; at < end; row++)
      for (const stop = at + columns; at < stop; at++) {
        let number = 0;
        for (const plane of planes) number = number * 256 + plane[at];
        vector[at] += number * scales[row];
      }
  }
  return vector;
}

// start + the sum of amount x direction: mix(start, [[a, q], [b, p]]).
function mix(start, steps) {
  const vector = start.slice();
  for (const [amount, direction] of steps)
    for (let i = 0; i < vector.length; i++) vector[i] += amount * direction[i];
  return vector;
}
