#include "toolchain/analyze/page_template.h"

namespace shrike::analyze {

const char* const kPageStyle = R"css(
:root { color-scheme: light dark; --text: #1b1f24; --dim: #5b6470; --back: #ffffff; --panel: #f4f6f8;
  --line: #d5dae0; --float: #d97706; --integer: #2563eb; --input: #7c3aed; --weights: #059669; --bad: #dc2626; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ee; --dim: #98a2b0; --back: #14171c; --panel: #1d2229; --line: #353c47;
    --float: #f59e0b; --integer: #60a5fa; --input: #a78bfa; --weights: #34d399; --bad: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 90rem; background: var(--back); color: var(--text);
  font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0 .75rem; color: var(--dim); max-width: 75ch; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .9rem; }
.card b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; } .card span { color: var(--dim); }
.scroll { overflow: auto; max-height: 32rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: var(--panel); z-index: 1; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--integer); }
th[aria-sort=descending] button::after { content: " ▼"; } th[aria-sort=ascending] button::after { content: " ▲"; }
td:first-child, th:first-child { text-align: left; } tbody tr:hover { background: var(--panel); }
tbody tr { cursor: pointer; } tbody tr.chosen { outline: 1px solid var(--integer); outline-offset: -1px; }
.bar { display: inline-flex; width: 9rem; height: .8rem; background: var(--panel); vertical-align: middle; }
.bar i { display: block; height: 100%; background: var(--integer); }
.bar i.input { background: var(--input); } .bar i.weights { background: var(--weights); }
.bar i.output { background: var(--integer); }
.key { color: var(--dim); } .key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem;
  vertical-align: -1px; }
svg { display: block; width: 100%; height: auto; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; } svg text { fill: var(--dim); font-size: 11px; }
.tools { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: .4rem 0; }
select, input { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 4px; padding: .15rem .4rem; max-width: 100%; }
)css";

const char* const kPageBody = R"html(<body>
<h1>Quantisation analysis</h1>
<p id="about"></p>
<div class="cards" id="cards"></div>
<h2>Graphwise</h2>
<p>Noise to signal accumulated from the input to each tensor: the whole file in integers against the float model.
Class logits of a detector may saturate: they are clipped where everything is background.</p>
<div class="tools"><label><input type="checkbox" id="graphwise-all"> every tensor</label>
<input id="graphwise-filter" placeholder="filter by name" aria-label="filter graphwise by name"></div>
<div class="scroll"><table id="graphwise"></table></div>
<section id="layerwise-section">
<h2>Layerwise</h2>
<p>Noise at the outputs when only that layer is in integers, what makes it, and how much one more bit there would
take off the mean.</p>
<div class="tools"><input id="layerwise-filter" placeholder="filter by name" aria-label="filter layerwise by name">
<span class="key"><i style="background:var(--input)"></i>input<i style="background:var(--weights)"></i>weights and
bias<i style="background:var(--integer)"></i>output</span></div>
<div class="scroll"><table id="layerwise"></table></div>
</section>
<h2>Exponents along the network</h2>
<p>Each tensor in the order of computation: the column is what its format can hold, from one step to the limit (powers
of two); the dot is the largest float value, the ring marks values that are clipped. Click to see the tensor.</p>
<div id="map"></div>
<div class="key"><i style="background:var(--integer)"></i>format's range<i style="background:var(--float)"></i>largest
float value<i style="border:2px solid var(--bad)"></i>clipped</div>
<h2>Tensor</h2>
<div class="tools"><select id="tensor" aria-label="tensor"></select></div>
<p id="facts"></p>
<div id="histogram"></div>
<div class="key"><i style="background:var(--float)"></i>float<i style="background:var(--integer)"></i>quantised
(logarithmic counts; the outermost bins hold what lies beyond)</div>
)html";

const char* const kPageScript = R"js(
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const percent = v => (100 * v).toFixed(3) + " %";
const svgName = "http://www.w3.org/2000/svg";

function element(tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  return made;
}
function shape(parent, tag, attributes, text) {
  const made = document.createElementNS(svgName, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}
function bar(parts) {  // parts: [class, share of the width]
  const made = element("span", undefined, { class: "bar" });
  for (const [kind, share] of parts) {
    const part = element("i", undefined, { class: kind });
    part.style.width = (100 * share) + "%";
    made.append(part);
  }
  return made;
}

// columns: { title, value(row) -> number or string, cell(row) -> Node or string }
function sortable(table, columns, rows, start, choose) {
  let by = start, down = true;
  const head = element("tr"), body = element("tbody");
  columns.forEach((column, i) => {
    const cell = element("th", undefined, { scope: "col" }), button = element("button", column.title);
    button.addEventListener("click", () => { down = by === i ? !down : typeof column.value(rows()[0] || {}) === "number";
      by = i; draw(); });
    cell.append(button);
    head.append(cell);
  });
  const wrap = element("thead");
  wrap.append(head);
  table.replaceChildren(wrap, body);
  function draw() {
    const sorted = rows().map((row, i) => [row, i]);
    const key = columns[by].value;
    sorted.sort(([a, i], [b, j]) => {
      const x = key(a), y = key(b), order = x < y ? -1 : x > y ? 1 : 0;
      return (down ? -order : order) || i - j;
    });
    [...head.children].forEach((cell, i) => i === by
      ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"));
    body.replaceChildren(...sorted.map(([row]) => {
      const line = element("tr", undefined, { "data-tensor": row.tensor });
      for (const column of columns) {
        const cell = element("td"), content = column.cell ? column.cell(row) : column.value(row);
        cell.append(typeof content === "number" ? String(content) : content);
        line.append(cell);
      }
      line.addEventListener("click", () => choose(row.tensor));
      return line;
    }));
  }
  draw();
  return draw;
}
const matches = (text, filter) => text.toLowerCase().includes(filter.value.toLowerCase());

$("about").textContent = `${data.file} (${data.target}) against ${data.model}, ${data.images} ` +
  `samples of ${data.inputs.map(i => `${i.name} [${i.shape.join(", ")}]`).join(", ")}`;
for (const [name, value] of [["mean of the outputs", data.mean_output_noise],
                             ...data.outputs.map(o => [o.name, o.noise_to_signal])]) {
  const card = element("div", undefined, { class: "card" });
  card.append(element("b", percent(value)), element("span", name));
  $("cards").append(card);
}

const largest = rows => Math.max(1e-12, ...rows.map(r => r.noise_behind_activation ?? r.noise_to_signal));
const graphRows = () => data.tensors.filter(t => (t.computing || $("graphwise-all").checked) &&
  matches(t.layer + " " + t.tensor, $("graphwise-filter")));
const drawGraphwise = sortable($("graphwise"), [
  { title: "Layer", value: t => $("graphwise-all").checked ? t.tensor : t.layer },
  { title: "Operator", value: t => t.op },
  { title: "Noise:signal", value: t => t.noise_behind_activation, cell: t => percent(t.noise_behind_activation) },
  { title: "", value: t => t.noise_behind_activation,
    cell: t => bar([["", t.noise_behind_activation / largest(graphwiseScale())]]) },
  { title: "Bits", value: t => t.bits || 32, cell: t => t.bits ? String(t.bits) : "float" },
  { title: "Exponent", value: t => t.bits ? t.exponent : 0, cell: t => t.bits ? String(t.exponent) : "" },
  { title: "Bits used", value: t => t.bits_used || 0, cell: t => t.bits ? String(t.bits_used) : "" },
  { title: "Saturated", value: t => t.saturated || 0, cell: t => t.bits ? percent(t.saturated) : "" },
  { title: "Min", value: t => t.float.min, cell: t => t.float.min.toPrecision(4) },
  { title: "Max", value: t => t.float.max, cell: t => t.float.max.toPrecision(4) },
], graphRows, 2, chooseTensor);
function graphwiseScale() { return $("graphwise-all").checked ? data.tensors : data.tensors.filter(t => t.computing); }
$("graphwise-all").addEventListener("change", drawGraphwise);
$("graphwise-filter").addEventListener("input", drawGraphwise);

if (data.layers.length === 0) {
  $("layerwise-section").remove();
} else {
  const scale = largest(data.layers);
  const draw = sortable($("layerwise"), [
    { title: "Layer", value: l => l.layer },
    { title: "Mean", value: l => l.noise_to_signal, cell: l => percent(l.noise_to_signal) },
    { title: "", value: l => l.noise_to_signal, cell: l => bar(["input", "weights", "output"].map(
      part => [part, l.noise_to_signal / scale * l.shares[part]])) },
    { title: "+1 bit", value: l => l.one_more_bit.all, cell: l => percent(l.one_more_bit.all) },
    ...data.outputs.map(o => ({ title: o.name, value: l => l.outputs[o.name], cell: l => percent(l.outputs[o.name]) })),
    { title: "Made by", value: l => l.shares.output, cell: l => bar(["input", "weights", "output"].map(
      part => [part, l.shares[part]])) },
    { title: "+1 bit input", value: l => l.one_more_bit.input, cell: l => percent(l.one_more_bit.input) },
    { title: "+1 bit weights", value: l => l.one_more_bit.weights, cell: l => percent(l.one_more_bit.weights) },
    { title: "+1 bit output", value: l => l.one_more_bit.output, cell: l => percent(l.one_more_bit.output) },
  ], () => data.layers.filter(l => matches(l.layer, $("layerwise-filter"))), 1, chooseTensor);
  $("layerwise-filter").addEventListener("input", draw);
}

function drawMap() {
  const tensors = data.tensors.filter(t => t.bits);
  if (tensors.length === 0) return;
  const top = t => t.exponent + t.bits - 1;
  const peak = t => Math.log2(Math.max(-t.float.min, t.float.max, 2 ** -30));
  const high = Math.ceil(Math.max(...tensors.map(t => Math.max(top(t), peak(t))))) + 1;
  const low = Math.min(...tensors.map(t => t.exponent)) - 1;
  const width = 1200, height = 300, left = 40, bottom = 22;
  const x = i => left + (width - left - 10) * (i + .5) / tensors.length;
  const y = power => 10 + (height - bottom - 10) * (high - power) / (high - low);
  const svg = document.createElementNS(svgName, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "exponents along the network");
  for (let power = low; power <= high; power += 2) {
    shape(svg, "line", { x1: left, x2: width - 10, y1: y(power), y2: y(power), stroke: "var(--line)" });
    shape(svg, "text", { x: left - 6, y: y(power) + 4, "text-anchor": "end" }, "2^" + power);
  }
  const step = Math.max(1.5, (width - left - 10) / tensors.length * .7);
  tensors.forEach((t, i) => {
    const group = shape(svg, "g", { cursor: "pointer" });
    shape(group, "title", {}, `${t.tensor}\nexponent ${t.exponent}, ${t.bits} bits, largest ` +
      Math.max(-t.float.min, t.float.max).toPrecision(4));
    shape(group, "rect", { x: x(i) - step / 2, width: step, y: y(top(t)), height: y(t.exponent) - y(top(t)),
      fill: "var(--integer)", "fill-opacity": .55 });
    shape(group, "circle", { cx: x(i), cy: y(peak(t)), r: 2, fill: "var(--float)" });
    if (t.clipped > 0)
      shape(group, "circle", { cx: x(i), cy: y(peak(t)), r: 4, fill: "none", stroke: "var(--bad)" });
    group.addEventListener("click", () => chooseTensor(t.tensor));
  });
  shape(svg, "text", { x: left, y: height - 6 }, "input");
  shape(svg, "text", { x: width - 10, y: height - 6, "text-anchor": "end" }, "outputs");
  $("map").replaceChildren(svg);
}

function drawHistogram(t) {
  const h = t.histogram, bins = h.float.length, half = bins / 2;
  const float = [h.float_below, ...h.float, h.float_above], integer = [0, ...h.quantized, 0];
  let first = 0, last = bins + 1;
  while (first < half && !float[first] && !integer[first]) ++first;
  while (last > half + 1 && !float[last] && !integer[last]) --last;
  const width = 1200, height = 260, left = 10, bottom = 24;
  const most = Math.log1p(Math.max(1, ...float, ...integer));
  const x = i => left + (width - 20) * (i - first) / (last + 1 - first);
  const y = count => height - bottom - (height - bottom - 12) * Math.log1p(count) / most;
  const svg = document.createElementNS(svgName, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "histogram of " + t.tensor);
  const value = bin => (bin - 1 - half) * h.integers_per_bin * 2 ** t.exponent;
  let outline = "";
  for (let i = first; i <= last; ++i) {
    const column = shape(svg, "rect", { x: x(i), width: Math.max(.5, x(i + 1) - x(i) - .5), y: y(integer[i]),
      height: height - bottom - y(integer[i]), fill: "var(--integer)", "fill-opacity": .6 });
    shape(column, "title", {}, `from ${value(i).toPrecision(4)}: float ${float[i]}, quantised ${integer[i]}`);
    outline += `${i === first ? "M" : "L"}${x(i)} ${y(float[i])}H${x(i + 1)}`;
  }
  shape(svg, "path", { d: outline, fill: "none", stroke: "var(--float)", "stroke-width": 1.5 });
  const every = Math.max(1, Math.round((last - first) / 10));
  for (let i = first; i <= last; i += every)
    shape(svg, "text", { x: x(i), y: height - 8 }, String(+value(i).toPrecision(3)));
  $("histogram").replaceChildren(svg);
}

function chooseTensor(name) {
  const t = data.tensors.find(candidate => candidate.tensor === name);
  if (!t) return;
  $("tensor").value = name;
  document.querySelectorAll("tr.chosen").forEach(row => row.classList.remove("chosen"));
  document.querySelectorAll("tr[data-tensor]").forEach(row => {
    if (row.getAttribute("data-tensor") === name) row.classList.add("chosen");
  });
  $("facts").textContent = `${t.op} "${t.layer}", [${t.shape.join(", ")}], ` + (t.bits
    ? `${t.bits} bits, exponent ${t.exponent} (step ${2 ** t.exponent}), integers ${t.integer.min}…${t.integer.max} ` +
      `(${t.bits_used} bits), saturated ${percent(t.saturated)}, clipped ${percent(t.clipped)}, ` : "float in the file, ") +
    `float ${t.float.min.toPrecision(4)}…${t.float.max.toPrecision(4)}, noise:signal ${percent(t.noise_to_signal)}`;
  if (t.bits) drawHistogram(t); else $("histogram").replaceChildren();
}
for (const t of data.tensors) $("tensor").append(element("option", t.tensor, { value: t.tensor }));
$("tensor").addEventListener("change", () => chooseTensor($("tensor").value));
drawMap();
const worst = data.tensors.filter(t => t.computing).sort((a, b) => b.noise_behind_activation - a.noise_behind_activation)[0] || data.tensors[0];
chooseTensor(worst.tensor);
document.body.dataset.ready = "yes";
)js";

}  // namespace shrike::analyze
