"use strict";
// The module and one model, beside the page so that it stays awake. Requests come one at a time; every one is
// answered by a message of the same `id`.
let exports = null;
let open = null;  // what open_file told

const view = (at, bytes) => new Uint8Array(exports.memory.buffer, at, bytes);
function text(at) {
  const memory = new Uint8Array(exports.memory.buffer);
  return JSON.parse(new TextDecoder().decode(memory.subarray(at, memory.indexOf(0, at))));
}
class Refused extends Error {  // by the runtime, with a status
  constructor(status) { super(status.detail); this.status = status; }
}
function told(at) {
  const answer = text(at);
  if (answer.error) throw new Refused(answer.error);
  return answer;
}
function timed(times, name, work) {
  const start = performance.now(), result = work();
  times[name] = performance.now() - start;
  return result;
}

async function start({ module }) {
  const compiled = await WebAssembly.compile(module), imports = {};
  // Standalone WebAssembly wants to tell about grown memory and about its end, which nobody here needs.
  for (const { module: from, name } of WebAssembly.Module.imports(compiled)) (imports[from] ??= {})[name] = () => 0;
  exports = (await WebAssembly.instantiate(compiled, imports)).exports;
  if (exports._initialize) exports._initialize();
  return {};
}

function noMemory(bytes) {
  return new Refused({ code: "more memory is needed", detail: "the browser gives this page no more memory", node: -1,
                       offset: 0, needed: bytes });
}

function load({ file }) {
  open = null;
  const at = exports.file_memory(file.byteLength);
  if (at === 0) throw noMemory(file.byteLength);
  view(at, file.byteLength).set(new Uint8Array(file));
  open = told(exports.open_file());
  open.test = text(exports.self_test());
  return open;
}

// Puts the input where the network wants it. Gives the time of the picture's way into it.
function fill(input) {
  const times = {};
  if (input.kind === "generated") {
    exports.set_seed(input.seed);
  } else if (input.kind === "raw") {
    view(exports.input_memory(0), open.inputs[0].bytes).set(new Uint8Array(input.bytes));
  } else {
    const bytes = input.pixels.byteLength, at = exports.picture_memory(bytes);
    if (at === 0) throw noMemory(bytes);
    view(at, bytes).set(new Uint8Array(input.pixels));
    timed(times, "prepare", () => told(exports.set_picture(input.width, input.height)));
  }
  return times;
}

function decoded(limits) {
  const found = told(exports.decode(limits.score, limits.overlap, limits.most));
  for (const { mask } of found.objects || []) {
    if (mask) mask.pixels = view(mask.at, mask.width * mask.height).slice();
  }
  return found;
}

// One run. `still`: hashed, and not a part of a sequence.
function run({ input, limits, still }) {
  if (still) exports.reset();
  const times = fill(input), result = { times };
  if (still) {
    result.inputs = text(exports.hash_inputs());
    result.stored = open.inputs.map((tensor, i) => view(exports.input_memory(i), tensor.bytes).slice());
  }
  result.saturated = timed(times, "run", () => told(exports.run())).saturated;
  if (still) result.outputs = text(exports.hash_outputs());
  if (input.pixels) Object.assign(result, timed(times, "decode", () => decoded(limits)));
  return result;
}

// Milliseconds of the same run again and again: a browser compiles what runs often better.
function measure({ input, limits, runs, budget }) {
  const samples = [], begin = performance.now();
  while (samples.length < runs && (samples.length < 3 || performance.now() - begin < budget)) {
    exports.reset();
    const { times } = run({ input, limits, still: false });
    samples.push((times.prepare || 0) + times.run + (times.decode || 0));
  }
  return { samples };
}

const kinds = { start, load, run, measure, decode: ({ limits }) => decoded(limits) };
onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, result: await kinds[data.kind](data) });
  } catch (error) {
    postMessage({ id: data.id, refused: error.status, failed: error.status ? undefined : String(error) });
  }
};
