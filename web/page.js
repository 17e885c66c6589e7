const $ = id => document.getElementById(id);
const root = document.documentElement;

// What is open: the model, what it ran on, and what came out.
const state = { model: null, input: null, picture: null, result: null, chosen: -1, names: { model: "", input: "" } };

function element(tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  return made;
}
function show(kind, message) {
  root.dataset.state = kind;
  $("error").hidden = !message;
  $("error").textContent = message || "";
}

// ---- the worker

let worker = null, started = null, waiting = new Map(), next = 0;
const moduleBytes = () => Uint8Array.from(atob($("module-source").textContent.trim()), c => c.charCodeAt(0));

// Another worker for another model: the one before may be in the middle of a long run.
function startWorker() {
  if (worker) worker.terminate();
  waiting = new Map();
  worker = new Worker(URL.createObjectURL(new Blob([$("worker-source").textContent], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.result) return resolve(data.result);
    reject(Object.assign(new Error(data.failed || data.refused.detail), { status: data.refused }));
  };
  const module = moduleBytes();
  if (!WebAssembly.validate(module)) {
    started = Promise.reject(new Error("this browser has no WebAssembly vectors; Chrome 91, Firefox 89, Safari 16.4 " +
                                       "and later ones have them"));
  } else {
    started = ask("start", { module });
  }
  return started;
}
function ask(kind, message, transfer) {
  const own = worker, id = ++next;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    own.postMessage({ ...message, kind, id }, transfer || []);
  });
}

// ---- in words

const megabytes = bytes => bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
const millions = count => count < 1e6 ? `${count}` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} million`;
const shapeText = shape => `[${shape.join(", ")}]`;
const shellWord = text => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
const plural = (count, one) => `${count} ${one}${count === 1 ? "" : one.endsWith("s") ? "es" : "s"}`;

const advice = {
  "the file ends too early": "copy or export it again",
  "not an .espdl file": "give a file that shrike quantize or ESP-PPQ wrote",
  "the file is encrypted": "decrypt it first",
  "the file is damaged": "copy or export it again",
};
function refusal(name, error) {
  const status = error.status;
  if (!status) return `${name} can't be used: ${error.message}.`;
  const where = (status.node >= 0 ? `, node ${status.node}` : "") + (status.offset > 0 ? `, byte ${status.offset}` : "");
  const needed = status.needed > 0 ? ` (${megabytes(status.needed)} are needed)` : "";
  const cause = status.detail && status.detail !== status.code ? `${status.code} (${status.detail}${where})` : status.code;
  return `${name} can't be used: ${cause}${needed}${advice[status.code] ? "; " + advice[status.code] : ""}.`;
}

const round = value => String(Math.round(value * 1000) / 1000);
const list = values => values.every(v => v === values[0]) ? round(values[0]) : values.map(round).join(", ");
function pictureText(picture) {
  const color = picture.channels === 1 ? "grey" : picture.bgr ? "BGR" : "RGB";
  const mean = list(picture.mean), std = list(picture.std);
  const value = mean === "0" ? `pixel / ${std}` : `(pixel − ${mean}) / ${std}`;
  return `${picture.width}×${picture.height} ${color}, ${value}, ` +
         (picture.fit === "letterbox" ? `letterbox on ${picture.background}` : picture.fit);
}
function headText(model) {
  const names = { file: "named in the file", coco: "COCO's names, because there are 80", numbers: "not named" }[model.names];
  const classes = model.classes && `${plural(model.classes.length, "class")} (${names})`;
  if (model.task === "tensors") return "none that is decoded here";
  if (model.task === "classes") return `classifier, ${classes}`;
  const points = model.key_points > 0 ? `, ${model.key_points} key points` : "";
  return `${model.head}: ${model.task === "boxes" ? "" : model.task + ", "}${classes}${points}`;
}
function testText(test) {
  if (test.error) return test.error;
  if (!test.tensors) return "none in the file";
  return test.differing === 0 ? `${plural(test.tensors, "tensor")}, every value is equal`
                              : `${test.differing} of ${test.values} values differ, first in ${test.first}`;
}

// ---- the model

function describe(model, bytes) {
  const rows = [
    ["Chip", model.chip + (model.chip_assumed ? " (assumed: the file names none)" : "")],
    ...model.inputs.map(input =>
      ["Input", `${input.name}, ${input.type} ${shapeText(input.shape)}, exponent ${input.exponent}`]),
    ...(model.picture ? [["Picture", pictureText(model.picture)]] : []),
    ["Head", headText(model)],
    ["Outputs", model.outputs.map(o => o.name).join(", ")],
    ["Size", `${megabytes(bytes)} file, ${megabytes(model.activation_bytes)} activations`],
    ["Work", `${plural(model.nodes, "node")}, ${millions(model.macs)} multiply-adds`],
    ["Test vectors", testText(model.test)],
    ["Run by", `Shrike ${model.version}, ${model.isa}`],
  ];
  $("facts").replaceChildren(...rows.flatMap(([term, value]) => [element("dt", term), element("dd", value)]));
}

function nameInputs() {
  $("names").textContent = [state.names.model, state.names.input].filter(name => name).join(" · ");
}

function forgetResult() {
  Object.assign(state, { input: null, picture: null, result: null, chosen: -1 });
  state.names.input = "";
  $("view").hidden = $("integers").hidden = $("limits").hidden = true;
  $("list").replaceChildren();
  $("headline").textContent = $("time").textContent = $("printed").value = $("verdict").textContent = "";
}

async function openModel(file) {
  stopCamera();
  show("busy");
  const before = state.names.model === "" ? null : state.picture;
  forgetResult();
  state.model = null;
  state.names.model = file.name;
  nameInputs();
  try {
    await startWorker();
    const bytes = await file.arrayBuffer(), size = bytes.byteLength;
    state.model = await ask("load", { file: bytes }, [bytes]);
    describe(state.model, size);
  } catch (error) {
    state.names.model = "";
    nameInputs();
    $("facts").replaceChildren();
    $("picture").disabled = $("camera").disabled = true;
    return show("failed", refusal(file.name, error));
  }
  $("picture").disabled = false;
  $("camera").disabled = !state.model.picture;
  $("invitation").hidden = false;
  $("invitation").textContent = state.model.picture ? "Now drop a picture here, or take the camera."
                                                    : "This network's input is no picture: it runs on generated numbers.";
  // The picture before is looked at with the new model too; else generated input says at least how fast it is.
  if (before && state.model.picture && before.still) return runPicture(before);
  await runStill({ kind: "generated", seed: 1 }, null, "");
}

// What the runtime refuses leaves the model as it is; where the module itself broke off, it has to be opened again.
function fail(name, error) {
  show("failed", refusal(name, error));
  if (error.status) return;
  state.model = null;
  $("picture").disabled = $("camera").disabled = true;
}

// ---- inputs

const limits = () => ({ score: Number($("score").value), overlap: Number($("overlap").value),
                        most: Math.max(1, Math.min(300, Math.round(Number($("most").value)) || 10)) });

const kMostPixels = 100e6;

// The picture's pixels as stored: no colour management, no blending.
function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  return { canvas, pixels: context.getImageData(0, 0, width, height).data.buffer };
}

async function openPicture(file) {
  stopCamera();
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    return show("failed", `${file.name} can't be used: it is no picture that this browser reads; PNG and JPEG are.`);
  }
  const { width, height } = bitmap;
  if (width * height > kMostPixels || Math.max(width, height) > 32767) {
    return show("failed", `${file.name} can't be used: ${width}×${height} pixels are too many; make it smaller.`);
  }
  await runPicture({ source: pixelsOf(bitmap, width, height).canvas, width, height, name: file.name, still: true });
}

const runPicture = picture => {
  const { canvas, pixels } = pixelsOf(picture.source, picture.width, picture.height);
  return runStill({ kind: "picture", width: picture.width, height: picture.height, pixels },
                  { ...picture, source: canvas }, picture.name);
};

async function openRaw(file) {
  stopCamera();
  const bytes = await file.arrayBuffer(), input = state.model.inputs[0];
  if (state.model.inputs.length !== 1 || bytes.byteLength !== input.bytes) {
    return show("failed", `${file.name} can't be used: it holds ${bytes.byteLength} bytes, the input ${input.name} is ` +
                          `${input.type} ${shapeText(input.shape)}, ${input.bytes} bytes.`);
  }
  await runStill({ kind: "raw", bytes }, null, file.name);
}

// A model, a picture or raw integers, told by what is in it.
async function openFile(file) {
  const head = new Uint8Array(await file.slice(0, 3).arrayBuffer());
  if (String.fromCharCode(...head) === "EDL" || file.name.endsWith(".espdl")) return openModel(file);
  if (!state.model) return show("failed", `${file.name} can't be used yet: give a model, an .espdl file, first.`);
  if (file.name.endsWith(".bin")) return openRaw(file);
  if (!state.model.picture) {
    return show("failed", `${file.name} can't be used: the input of ${state.names.model} is no picture; raw integers ` +
                          "in a .bin file can be given.");
  }
  return openPicture(file);
}

// Whatever is left of a file that fails on the way.
const openAny = file => openFile(file).catch(error => show("failed", refusal(file.name, error)));

// ---- running

const median = values => values.slice().sort((a, b) => a - b)[values.length >> 1];
let turn = 0;  // of what is run: what comes back late is dropped

async function runStill(input, picture, name) {
  const mine = ++turn, used = JSON.stringify(limits());
  show("busy");
  state.names.input = name;
  nameInputs();
  try {
    const result = await ask("run", { input, limits: limits(), still: true });
    if (mine !== turn) return;
    Object.assign(state, { input, picture, result, chosen: -1 });
    showTime([(result.times.prepare || 0) + result.times.run + (result.times.decode || 0)], false);
    showFound();
    showHashes();
    const { samples } = await ask("measure", { input, limits: limits(), runs: 15, budget: 1500 });
    if (mine !== turn) return;
    showTime(samples, false);
    show("ready");
    if (JSON.stringify(limits()) !== used) decodeAgain();
  } catch (error) {
    if (mine === turn) fail(name || state.names.model, error);
  }
}

function showTime(samples, live) {
  const time = median(samples);
  $("time").replaceChildren(element("b", time.toFixed(1)), ` ms a frame` + (live ? `, ${(1000 / time).toFixed(0)} a second` : ""));
  root.dataset.milliseconds = time.toFixed(3);
}

function labelled(objects) {
  const names = state.model.classes, alone = names.length === 1;
  return objects.map((object, i) => ({ ...object, color: colorOf(alone ? i : object.category),
                                       name: names[object.category], label: `${names[object.category]} ${object.score.toFixed(2)}` }));
}

function redraw() {
  const { picture, result } = state;
  $("view").hidden = !picture;
  $("invitation").hidden = !!picture;
  if (picture) draw($("view"), picture, result.objects || [], state.chosen);
}

function line(object, i) {
  const row = element("li", undefined, { tabindex: "0" }), mark = element("i");
  mark.style.background = object.color.fill(1);
  const seen = object.points ? ` (${plural(object.points.filter(visible).length, "point")})` : "";
  row.append(mark, element("span", object.name + seen), element("span", object.score.toFixed(3)));
  const choose = index => () => { state.chosen = index; redraw(); };
  for (const event of ["pointerenter", "focus"]) row.addEventListener(event, choose(i));
  for (const event of ["pointerleave", "blur"]) row.addEventListener(event, choose(-1));
  return row;
}
function classLine({ category, score }) {
  const row = element("li"), mark = element("i");
  mark.style.background = colorOf(category).fill(1);
  row.append(mark, element("span", state.model.classes[category]), element("span", score.toFixed(3)),
             element("meter", undefined, { value: score, "aria-hidden": "true" }));
  return row;
}

function showFound() {
  const { model, picture, result } = state;
  const decodes = picture && model.task !== "tensors";
  $("limits").hidden = !(decodes && result.objects);
  if (result.objects) result.objects = labelled(result.objects);
  const rows = !decodes ? [] : result.objects ? result.objects.map(line) : result.classes.map(classLine);
  $("list").replaceChildren(...rows);
  $("headline").textContent = !decodes ? "" : result.classes ? "Classes" : result.objects.length === 0 ? "Nothing found"
                                                            : plural(result.objects.length, "object");
  redraw();
}

async function decodeAgain() {
  $("score-value").textContent = limits().score.toFixed(2);
  $("overlap-value").textContent = limits().overlap.toFixed(2);
  if (!state.picture || root.dataset.state !== "ready") return;
  try {
    const found = await ask("decode", { limits: limits() });
    if (!state.result) return;
    Object.assign(state.result, found);
    state.chosen = -1;
    showFound();
  } catch (error) {
    show("failed", refusal(state.names.model, error));
  }
}

// ---- hashes

function commandText() {
  const file = shellWord(state.names.model), input = state.model.inputs[0].name;
  if (state.input.kind === "generated") return `shrike run ${file}`;
  const given = state.names.input || `${input}.bin`;
  return `shrike run ${file} --input ${shellWord(`${input}=${given}`)}`;
}
function remarkText() {
  const sums = state.result.saturated;
  const saturated = sums > 0 ? `${plural(sums, "sum")} met a limit of the chip's accumulators. ` : "";
  if (state.input.kind === "generated") return saturated + (state.model.picture ? "Until there is a picture, the " : "The ") + "input is generated, as that command does.";
  if (state.input.kind === "raw") return saturated;
  if (!state.names.input) return saturated + "A frame of the camera is in no file: save the input below first.";
  return saturated + (/\.png$/i.test(state.names.input) ? "" : "Only of a PNG is it certain that both read the same pixels.");
}

function showHashes() {
  const { inputs, outputs } = state.result;
  const row = (tensor, output) => {
    const made = element("tr");
    made.append(element("td", tensor.name + (output ? "" : " (input)")), element("td", `${tensor.type} ${shapeText(tensor.shape)}`),
                element("td", String(tensor.exponent)), element("td", tensor.sha256), element("td"));
    return made;
  };
  $("hashes").replaceChildren(...inputs.map(tensor => row(tensor, false)), ...outputs.map(tensor => row(tensor, true)));
  $("command").textContent = commandText();
  $("remark").textContent = remarkText();
  $("integers").hidden = false;
  compare();
}

// Lines of `shrike run`, or its JSON: name -> hash.
function printedHashes(text) {
  const found = new Map();
  try {
    for (const { name, sha256 } of JSON.parse(text).tensors) found.set(name, sha256);
  } catch {
    for (const [, name, hash] of text.matchAll(/^\s*(.+?) \w+ \[[\d, ]*\] exponent -?\d+ sha256 ([0-9a-f]{64})\s*$/gm)) {
      found.set(name, hash);
    }
  }
  return found;
}

function compare() {
  const text = $("printed").value.trim(), given = printedHashes(text), rows = [...$("hashes").rows];
  const outputs = state.result.outputs, first = rows.length - outputs.length;
  let equal = 0, different = 0;
  outputs.forEach((tensor, i) => {
    const cell = rows[first + i].lastChild, hash = given.get(tensor.name);
    cell.className = hash === undefined ? "" : hash === tensor.sha256 ? "good" : "bad";
    cell.textContent = hash === undefined ? "" : hash === tensor.sha256 ? "equal" : "differs";
    equal += hash === tensor.sha256;
    different += hash !== undefined && hash !== tensor.sha256;
  });
  const missing = outputs.length - equal - different;
  $("verdict").className = text === "" ? "" : different + missing === 0 ? "good" : "bad";
  $("verdict").textContent = text === "" ? ""
    : equal + different === 0 ? "There is no output of this network in that text."
    : different === 0 && missing === 0 ? `${outputs.length === 1 ? "The output is" : `All ${outputs.length} outputs are`} equal, bit for bit.`
    : `${different} of ${plural(outputs.length, "output")} differ${different === 1 ? "s" : ""}` +
      (missing > 0 ? `, ${missing} not in that text.` : ".");
}

function saveInput() {
  const { inputs, stored } = state.result;
  inputs.forEach((tensor, i) => {
    const link = element("a", undefined, { download: `${tensor.name.replace(/[^\w.-]/g, "_")}.bin` });
    link.href = URL.createObjectURL(new Blob([stored[i]]));
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// ---- camera

let camera = null;  // { stream, video }

function stopCamera() {
  if (!camera) return;
  camera.stream.getTracks().forEach(track => track.stop());
  camera = null;
  $("camera").setAttribute("aria-pressed", "false");
}

async function startCamera() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "environment" } });
  } catch (error) {
    const cause = { NotAllowedError: "the browser was not allowed to use it", NotFoundError: "there is none",
                    NotReadableError: "another program has it" }[error.name] || error.message;
    return show("failed", `The camera can't be used: ${cause}.`);
  }
  const video = element("video", undefined, { playsinline: "" });
  video.srcObject = stream;
  video.muted = true;
  await video.play();
  const mine = camera = { stream, video };
  $("camera").setAttribute("aria-pressed", "true");
  show("live");
  state.names.input = "";
  nameInputs();
  $("integers").hidden = true;
  const samples = [];
  let last = null;
  ++turn;
  try {
    while (camera === mine) {
      const width = video.videoWidth, height = video.videoHeight;
      const { canvas, pixels } = pixelsOf(video, width, height);
      last = { source: canvas, width, height, name: "", still: true };
      const result = await ask("run", { input: { kind: "picture", width, height, pixels }, limits: limits(), still: false });
      if (camera !== mine) break;
      Object.assign(state, { picture: last, result, chosen: -1 });
      samples.push(result.times.prepare + result.times.run + (result.times.decode || 0));
      showTime(samples.slice(-15), true);
      showFound();
      root.dataset.frames = samples.length;
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    stopCamera();
    fail(state.names.model, error);
  }
  return last;
}

async function toggleCamera() {
  if (camera) return stopCamera();
  const mine = turn + 1, last = await startCamera();
  // The last frame stays, with its hashes, unless something else came instead.
  if (last && turn === mine && state.model) await runPicture(last);
}

// ---- the page's own controls

for (const id of ["model", "picture"]) {
  $(id).addEventListener("change", event => {
    const [file] = event.target.files;
    event.target.value = "";  // the same file again is a change too
    if (file) openAny(file);
  });
}
$("camera").addEventListener("click", () => toggleCamera());
for (const id of ["score", "overlap", "most"]) $(id).addEventListener("input", decodeAgain);
$("printed").addEventListener("input", compare);
$("save").addEventListener("click", saveInput);
$("copy").addEventListener("click", () => navigator.clipboard.writeText($("command").textContent)
  .then(() => { $("copy").textContent = "Copied"; setTimeout(() => { $("copy").textContent = "Copy"; }, 1500); })
  .catch(() => getSelection().selectAllChildren($("command"))));

addEventListener("dragover", event => { event.preventDefault(); $("stage").classList.add("over"); });
addEventListener("dragleave", event => { if (!event.relatedTarget) $("stage").classList.remove("over"); });
addEventListener("drop", async event => {
  event.preventDefault();
  $("stage").classList.remove("over");
  // A model and a picture may come together: the model goes first.
  const files = [...event.dataTransfer.files].sort((a, b) => b.name.endsWith(".espdl") - a.name.endsWith(".espdl"));
  for (const file of files.slice(0, 2)) await openAny(file);
});
addEventListener("paste", event => { const [file] = event.clipboardData.files; if (file) openAny(file); });
addEventListener("resize", () => { if (state.picture && state.result) redraw(); });
decodeAgain();
