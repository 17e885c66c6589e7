"use strict";
// What was found, on the picture.

// Neighbouring classes get hues far apart (the golden angle).
function colorOf(index) {
  const hue = (index * 137.508 + 210) % 360;
  return { fill: alpha => `hsl(${hue} 85% 52% / ${alpha})`, ink: hue > 35 && hue < 200 ? "#000" : "#fff" };
}

// COCO's 17 key points, in pairs that belong together.
const skeleton = [[0, 1], [0, 2], [1, 3], [2, 4], [5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [11, 12],
                  [11, 13], [13, 15], [12, 14], [14, 16]];
const visible = point => point[2] >= 0.5;

function drawMask(context, mask, color) {
  if (mask.width < 1 || mask.height < 1) return;
  const layer = new OffscreenCanvas(mask.width, mask.height), paint = layer.getContext("2d");
  paint.fillStyle = color.fill(1);
  paint.fillRect(0, 0, mask.width, mask.height);
  const image = paint.getImageData(0, 0, mask.width, mask.height);
  for (let i = 0; i < mask.pixels.length; ++i) image.data[4 * i + 3] = mask.pixels[i] ? 115 : 0;
  paint.putImageData(image, 0, 0);
  context.drawImage(layer, mask.x, mask.y);
}

function drawPoints(context, points, color, unit) {
  context.lineWidth = 2 * unit;
  context.strokeStyle = color.fill(.9);
  for (const [a, b] of points.length === 17 ? skeleton : []) {
    if (!visible(points[a]) || !visible(points[b])) continue;
    context.beginPath();
    context.moveTo(points[a][0], points[a][1]);
    context.lineTo(points[b][0], points[b][1]);
    context.stroke();
  }
  for (const point of points.filter(visible)) {
    context.beginPath();
    context.arc(point[0], point[1], 3 * unit, 0, 2 * Math.PI);
    context.fillStyle = color.fill(1);
    context.fill();
    context.lineWidth = unit;
    context.strokeStyle = "#fff";
    context.stroke();
  }
}

// Corners of a box, turned about its centre.
function corners({ box: [x1, y1, x2, y2], angle }) {
  const x = (x1 + x2) / 2, y = (y1 + y2) / 2, cos = Math.cos(angle), sin = Math.sin(angle);
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]].map(([a, b]) =>
    [x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos]);
}

function drawBox(context, object, color, unit, chosen) {
  context.beginPath();
  corners(object).forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.lineWidth = (chosen ? 5 : 2.5) * unit;
  context.strokeStyle = color.fill(1);
  context.stroke();
  if (chosen) {
    context.fillStyle = color.fill(.2);
    context.fill();
  }
}

function drawLabel(context, object, text, color, unit, width) {
  context.font = `600 ${13 * unit}px system-ui, "DejaVu Sans", sans-serif`;
  const [x, y] = corners(object).reduce((best, corner) => corner[1] < best[1] ? corner : best);
  const wide = context.measureText(text).width + 8 * unit, high = 18 * unit;
  const left = Math.max(0, Math.min(object.angle ? x : object.box[0], width - wide)), top = Math.max(0, y - high);
  context.fillStyle = color.fill(1);
  context.fillRect(left, top, wide, high);
  context.fillStyle = color.ink;
  context.textBaseline = "middle";
  context.fillText(text, left + 4 * unit, top + high / 2);
}

// `picture`: { source, width, height }. `objects`: as the module tells them, each with `color` and `label`.
// `chosen`: the index of one to stress, -1: none. The canvas gets a pixel a pixel of the screen.
function draw(canvas, picture, objects, chosen) {
  const room = canvas.parentElement.getBoundingClientRect();
  const scale = Math.min(room.width / picture.width, innerHeight * .8 / picture.height, 3);
  const ratio = devicePixelRatio || 1;
  canvas.style.width = `${picture.width * scale}px`;
  canvas.width = Math.round(picture.width * scale * ratio);
  canvas.height = Math.round(picture.height * scale * ratio);
  const context = canvas.getContext("2d");
  context.scale(canvas.width / picture.width, canvas.height / picture.height);
  context.drawImage(picture.source, 0, 0, picture.width, picture.height);
  const unit = 1 / scale;
  // The surest come out on top.
  const order = objects.map((object, i) => [object, i]).reverse();
  for (const [object] of order) if (object.mask) drawMask(context, object.mask, object.color);
  for (const [object] of order) if (object.points) drawPoints(context, object.points, object.color, unit);
  for (const [object, i] of order) drawBox(context, object, object.color, unit, i === chosen);
  for (const [object] of order) drawLabel(context, object, object.label, object.color, unit, picture.width);
}
