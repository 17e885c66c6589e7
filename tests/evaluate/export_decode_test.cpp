// What is cut off a network is computed again behind it: boxes, scores, key points and angles that Shrike
// decodes from the raw convolutions equal those that the export's own decoder gives, for small networks with
// random weights (spec/heads.md 1.4 and section 2).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/import/onnx_builder.h"
#include "tests/import/temporary_folder.h"
#include "toolchain/engine/engine.h"
#include "toolchain/evaluate/detect.h"
#include "toolchain/heads/head.h"

namespace shrike::evaluate {
namespace {

using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

constexpr int64_t kFeatures = 8;
// Boxes are kept away from the edges of the picture, which clip them: the network's input lies this far
// inside.
constexpr int kMargin = 4096;

std::string numbered(const std::string& name, int64_t number) {
  return name + std::to_string(number);
}

// A network under construction: levels of strides 8, 16, ... with features "f0", "f1", ... behind "images".
struct Net {
  explicit Net(int64_t level_count, int64_t side = 64) : builder(13), size(side), levels(level_count) {
    builder.input("images", {1, 3, size, size});
    conv("images", 3, kFeatures, "f0", 8);
    for (int64_t i = 1; i < levels; ++i)
      conv(numbered("f", i - 1), kFeatures, kFeatures, numbered("f", i), 2);
    for (int64_t i = 0; i < levels; ++i) builder.node("Relu", {numbered("f", i)}, {numbered("g", i)});
  }

  int64_t width(int64_t level) const { return size / (8 << level); }
  int64_t cells(int64_t level) const { return width(level) * width(level); }
  int64_t places() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < levels; ++i) sum += cells(i);
    return sum;
  }

  // 1x1, random weights; raw values of a few units.
  void conv(const std::string& x, int64_t in, int64_t out, const std::string& y, int64_t stride = 1) {
    std::uniform_real_distribution<float> weight(-0.7f, 0.7f), offset(-1, 1);
    Floats weights(static_cast<size_t>(in * out)), bias(static_cast<size_t>(out));
    for (float& value : weights) value = weight(random);
    for (float& value : bias) value = offset(random);
    builder.floats(y + ".weight", {out, in, 1, 1}, weights).floats(y + ".bias", {out}, bias);
    builder.node("Conv", {x, y + ".weight", y + ".bias"}, {y}, {{"strides", Ints{stride, stride}}});
  }
  // The convolutions "<name>0", "<name>1", ... of the levels.
  void convs(const std::string& name, int64_t channels, const std::string& features = "f") {
    for (int64_t i = 0; i < levels; ++i) conv(numbered(features, i), kFeatures, channels, numbered(name, i));
  }

  void op(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
          const std::vector<tests::Attribute>& attributes = {}) {
    builder.node(type, inputs, {output}, attributes);
  }
  void constant(const std::string& name, const Ints& shape, const Floats& values) {
    builder.floats(name, shape, values);
  }
  void scalar(const std::string& name, float value) { builder.floats(name, {1}, {value}); }
  void reshape(const std::string& x, const Ints& shape, const std::string& y) {
    builder.integers(y + ".shape", shape);
    op("Reshape", {x, y + ".shape"}, y);
  }
  void concat(const std::vector<std::string>& inputs, const std::string& y, int64_t axis) {
    op("Concat", inputs, y, {{"axis", axis}});
  }
  void split(const std::string& x, const std::vector<std::string>& outputs, const Ints& sizes, int64_t axis) {
    builder.integers(outputs[0] + ".sizes", sizes);
    builder.node("Split", {x, outputs[0] + ".sizes"}, outputs, {{"axis", axis}});
  }

  // "<name>0", ... [1,channels,H,W] as one [1,channels,places], called "<name>".
  void rows(const std::string& name, int64_t channels) {
    std::vector<std::string> parts;
    for (int64_t i = 0; i < levels; ++i) {
      parts.push_back(numbered(name + ".row", i));
      reshape(numbered(name, i), {1, channels, -1}, parts.back());
    }
    concat(parts, name, 2);
  }

  // "points" [1,2,places] in cells from `offset` on, "strides" [1,1,places].
  void grid(float offset) {
    Floats points(static_cast<size_t>(2 * places())), strides;
    size_t at = 0;
    for (int64_t i = 0; i < levels; ++i) {
      for (int64_t cell = 0; cell < cells(i); ++cell, ++at) {
        points[at] = static_cast<float>(cell % width(i)) + offset;
        points[at + static_cast<size_t>(places())] = static_cast<float>(cell / width(i)) + offset;
        strides.push_back(static_cast<float>(8 << i));
      }
    }
    constant("points", {1, 2, places()}, points);
    constant("strides", {1, 1, places()}, strides);
  }

  // Distances [1,4,places] from distributions [1,4*bins,places].
  std::string expectation(const std::string& x, int64_t bins) {
    if (bins == 1) return x;
    Floats ramp;
    for (int64_t i = 0; i < bins; ++i) ramp.push_back(static_cast<float>(i));
    constant("ramp", {1, bins, 1, 1}, ramp);
    reshape(x, {1, 4, bins, places()}, "binned");
    op("Transpose", {"binned"}, "bins_first", {{"perm", Ints{0, 2, 1, 3}}});
    op("Softmax", {"bins_first"}, "distribution", {{"axis", int64_t{1}}});
    op("Conv", {"distribution", "ramp"}, "mean");
    reshape("mean", {1, 4, places()}, "distances");
    return "distances";
  }

  // "boxes" [1,4,places] in pixels: corners, or centre and size.
  void boxes(const std::string& distances, bool corners) {
    split(distances, {"lt", "rb"}, {2, 2}, 1);
    op("Sub", {"points", "lt"}, "first");
    op("Add", {"points", "rb"}, "second");
    if (corners) {
      concat({"first", "second"}, "cells_box", 1);
    } else {
      scalar("two", 2);
      op("Add", {"first", "second"}, "sum");
      op("Div", {"sum", "two"}, "centre");
      op("Sub", {"second", "first"}, "extent");
      concat({"centre", "extent"}, "cells_box", 1);
    }
    op("Mul", {"cells_box", "strides"}, "boxes");
  }

  void says(const std::string& key, const std::string& value) {
    auto* entry = builder.model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }

  OnnxBuilder builder;
  int64_t size, levels;
  std::mt19937 random{11};
};

Floats picture(const Net& net) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> value(0, 1);
  Floats pixels(static_cast<size_t>(3 * net.size * net.size));
  for (float& pixel : pixels) pixel = value(random);
  return pixels;
}

// Tensors of the network as the file has it.
std::map<std::string, engine::Array> own_outputs(const Net& net, const std::vector<std::string>& names) {
  graph::Graph graph = net.builder.graph();
  graph::PrepareOptions options;
  options.outputs = names;
  graph::prepare(graph, options);
  return engine::Engine(graph).run({{"images", {{1, 3, net.size, net.size}, picture(net)}}}, names);
}

// Every class of every place, by Shrike.
struct Decoded {
  Results results;
  Task task = Task::kBoxes;
  // [place][category]
  const Found& at(size_t place, size_t category) const { return *index.at(place * classes + category); }
  size_t classes = 0;
  std::map<size_t, const Found*> index;
};

Decoded decoded(const Net& net, size_t places, size_t classes) {
  const tests::TemporaryFolder folder;
  Detector detector(folder.write("network.onnx", net.builder.bytes()));
  Prepared prepared;
  prepared.planar = picture(net);
  prepared.placement = {1, 1, -kMargin, -kMargin, 3 * kMargin, 3 * kMargin};
  DetectOptions options = evaluation_options();
  options.score_threshold = 0;
  options.iou_threshold = 2;  // suppresses nothing
  options.max_candidates = options.max_detections = static_cast<int32_t>(places * classes);
  Decoded decoded;
  decoded.results = detector.detect(prepared, options);
  decoded.task = detector.task();
  decoded.classes = classes;
  for (const Found& found : decoded.results.objects)
    decoded.index[found.place * classes + static_cast<size_t>(found.category)] = &found;
  EXPECT_EQ(decoded.index.size(), places * classes);
  return decoded;
}

// Within 1e-4 of the largest number (spec/heads.md 1.4); the margin costs a float some digits.
void expect_near(double found, double expected, double largest, const std::string& what) {
  EXPECT_NEAR(found, expected, 1e-4 * std::max(largest, 10.0)) << what;
}

// Where numbers of a box stand in the export's tensor: a row a channel [1,channels,places], or a row a place.
struct Table {
  engine::Array array;
  bool place_first = false;
  std::vector<size_t> order = {};  // the export's place of each of ours; empty: the same

  size_t places() const { return static_cast<size_t>(array.shape[place_first ? 1 : 2]); }
  float at(size_t channel, size_t place) const {
    const size_t own = order.empty() ? place : order[place];
    const size_t channels = static_cast<size_t>(array.shape[place_first ? 2 : 1]);
    return place_first ? array.values[own * channels + channel] : array.values[channel * places() + own];
  }
  double largest() const {
    double value = 0;
    for (const float one : array.values) value = std::max(value, std::abs(static_cast<double>(one)));
    return value;
  }
};

enum class Form { kCentre, kCorners };

// Boxes in the first four channels, probabilities of classes from `scores` on, times that of channel
// `objectness` if there is one.
void expect_boxes(const Decoded& ours, const Table& theirs, Form form, size_t scores, int objectness = -1) {
  const double largest = theirs.largest();
  for (size_t place = 0; place < theirs.places(); ++place) {
    for (size_t c = 0; c < ours.classes; ++c) {
      const Found& d = ours.at(place, c);
      const double a = theirs.at(0, place), b = theirs.at(1, place), w = theirs.at(2, place),
                   h = theirs.at(3, place);
      const bool centre = form == Form::kCentre;
      const std::string where = "place " + std::to_string(place);
      expect_near(d.x1 - kMargin, centre ? a - w / 2 : a, largest, where);
      expect_near(d.y1 - kMargin, centre ? b - h / 2 : b, largest, where);
      expect_near(d.x2 - kMargin, centre ? a + w / 2 : w, largest, where);
      expect_near(d.y2 - kMargin, centre ? b + h / 2 : h, largest, where);
      double score = theirs.at(scores + c, place);
      if (objectness >= 0) score *= theirs.at(static_cast<size_t>(objectness), place);
      EXPECT_NEAR(d.score, score, 1e-5) << where;
      if (::testing::Test::HasFailure()) return;
    }
  }
}

struct Shape {
  int64_t levels, classes, bins;
};
const std::vector<Shape> kShapes = {{3, 80, 16}, {3, 1, 16}, {3, 91, 16}, {1, 3, 16}, {2, 5, 8},
                                    {4, 2, 16},  {3, 2, 1},  {3, 4, 1},   {1, 1, 1},  {2, 64, 16}};
// Five levels want a larger picture: the last has one cell.
const Shape kFive = {5, 3, 16};

Net distances_net(const Shape& shape) {
  return Net(shape.levels, shape.levels > 4 ? 128 : 64);
}

// YOLOv8 and YOLO11: boxes and classes of a level joined, then the levels, then parted (the older export).
TEST(ExportDecode, DetectJoinedByLevel) {
  std::vector<Shape> shapes = kShapes;
  shapes.push_back(kFive);
  for (const Shape& shape : shapes) {
    Net net = distances_net(shape);
    const int64_t sides = 4 * shape.bins;
    net.convs("b", sides);
    net.convs("c", shape.classes);
    for (int64_t i = 0; i < net.levels; ++i)
      net.concat({numbered("b", i), numbered("c", i)}, numbered("both", i), 1);
    net.rows("both", sides + shape.classes);
    net.split("both", {"sides", "logits"}, {sides, shape.classes}, 1);
    net.grid(0.5f);
    net.boxes(net.expectation("sides", shape.bins), false);
    net.op("Sigmoid", {"logits"}, "scores");
    net.concat({"boxes", "scores"}, "output0", 1);
    net.builder.output("output0");
    expect_boxes(decoded(net, static_cast<size_t>(net.places()), static_cast<size_t>(shape.classes)),
                 {own_outputs(net, {"output0"}).at("output0")}, Form::kCentre, 4);
  }
}

// The newer export joins boxes and classes of all levels apart; corners instead of centres.
TEST(ExportDecode, DetectJoinedByKind) {
  for (const Shape& shape : kShapes) {
    Net net = distances_net(shape);
    net.convs("sides", 4 * shape.bins);
    net.convs("logits", shape.classes);
    net.rows("sides", 4 * shape.bins);
    net.rows("logits", shape.classes);
    net.grid(0.5f);
    net.boxes(net.expectation("sides", shape.bins), true);
    net.op("Sigmoid", {"logits"}, "scores");
    net.concat({"boxes", "scores"}, "output0", 1);
    net.builder.output("output0");
    expect_boxes(decoded(net, static_cast<size_t>(net.places()), static_cast<size_t>(shape.classes)),
                 {own_outputs(net, {"output0"}).at("output0")}, Form::kCorners, 4);
  }
}

// Raw exports: a tensor a level, or box and score a level; the boxes are decoded by another network's tail.
TEST(ExportDecode, DetectRaw) {
  for (const bool joined : {false, true}) {
    Net net(3);
    net.convs("sides", 64);
    net.convs("logits", 6);
    for (int64_t i = 0; i < 3; ++i) {
      if (joined) {
        net.concat({numbered("sides", i), numbered("logits", i)}, numbered("output", i), 1);
        net.builder.output(numbered("output", i));
      } else {
        net.builder.output(numbered("sides", i)).output(numbered("logits", i));
      }
    }
    const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 6);
    net.rows("sides", 64);
    net.rows("logits", 6);
    net.grid(0.5f);
    net.boxes(net.expectation("sides", 16), false);
    net.op("Sigmoid", {"logits"}, "scores");
    net.concat({"boxes", "scores"}, "decoded", 1);
    net.builder.output("decoded");
    expect_boxes(ours, {own_outputs(net, {"decoded"}).at("decoded")}, Form::kCentre, 4);
  }
}

// The decoder and the choice behind it: suppression of overlaps, or the best of all.
struct Selection {
  const char* name;
  int64_t bins;
  std::function<void(Net&)> add;
};

void add_suppression(Net& net) {
  net.builder.integers("most", {10}).floats("iou", {1}, {0.45f}).floats("threshold", {1}, {0.1f});
  net.op("Transpose", {"boxes"}, "rows", {{"perm", Ints{0, 2, 1}}});
  net.op("NonMaxSuppression", {"rows", "scores", "most", "iou", "threshold"}, "kept");
  net.builder.output("kept").output("rows");
}

void add_top_k(Net& net) {
  net.concat({"boxes", "scores"}, "all", 1);
  net.op("Transpose", {"all"}, "by_place", {{"perm", Ints{0, 2, 1}}});
  net.split("by_place", {"own_boxes", "own_scores"}, {4, 3}, 2);
  net.op("ReduceMax", {"own_scores"}, "best", {{"axes", Ints{2}}, {"keepdims", int64_t{0}}});
  net.builder.integers("k", {30});
  net.builder.node("TopK", {"best", "k"}, {"top", "which"}, {{"axis", int64_t{-1}}});
  net.builder.integers("last", {2});
  net.op("Unsqueeze", {"which", "last"}, "which_rows");
  net.builder.integers("four", {1, 1, 4});
  net.op("Tile", {"which_rows", "four"}, "which_boxes");
  net.op("GatherElements", {"own_boxes", "which_boxes"}, "output0", {{"axis", int64_t{1}}});
  net.builder.output("output0");
}

TEST(ExportDecode, DetectWithASelectionInTheGraph) {
  for (const Selection& selection :
       {Selection{"suppression", 16, add_suppression}, Selection{"YOLO26", 1, add_top_k},
        Selection{"YOLOv10", 16, add_top_k}}) {
    SCOPED_TRACE(selection.name);
    Net net(3);
    net.convs("sides", 4 * selection.bins);
    net.convs("logits", 3);
    net.rows("sides", 4 * selection.bins);
    net.rows("logits", 3);
    net.grid(0.5f);
    net.boxes(net.expectation("sides", selection.bins), true);
    net.op("Sigmoid", {"logits"}, "scores");
    selection.add(net);
    const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 3);
    net.concat({"boxes", "scores"}, "decoded", 1);
    expect_boxes(ours, {own_outputs(net, {"decoded"}).at("decoded")}, Form::kCorners, 4);
  }
}

// Key points of YOLOv8 and YOLO11: twice the raw number from the corner of the cell. Of YOLO26, which ends in
// a choice: once, from its centre.
TEST(ExportDecode, Pose) {
  struct Case {
    int64_t points, values;
    bool yolo26;
  };
  for (const Case& one : {Case{17, 3, false}, Case{5, 3, false}, Case{4, 2, false}, Case{17, 3, true}}) {
    Net net(3);
    const int64_t bins = one.yolo26 ? 1 : 16, channels = one.points * one.values;
    net.convs("sides", 4 * bins);
    net.convs("logits", 1);
    net.convs("raw", channels);
    for (const auto& [name, count] :
         {std::pair{"sides", 4 * bins}, std::pair{"logits", int64_t{1}}, std::pair{"raw", channels}}) {
      net.rows(name, count);
    }
    net.grid(0.5f);
    net.boxes(net.expectation("sides", bins), false);
    net.op("Sigmoid", {"logits"}, "scores");
    net.reshape("raw", {1, one.points, one.values, net.places()}, "split_points");
    std::vector<std::string> parts = {"xy"};
    if (one.values == 3) parts.push_back("visible");
    net.split("split_points", parts, one.values == 3 ? Ints{2, 1} : Ints{2}, 2);
    net.scalar("half", 0.5f);
    net.scalar("twice", 2);
    net.reshape("points", {1, 1, 2, net.places()}, "points4");
    if (one.yolo26) {
      net.op("Add", {"xy", "points4"}, "cells_xy");
    } else {
      net.op("Mul", {"xy", "twice"}, "doubled");
      net.op("Sub", {"points4", "half"}, "corner");
      net.op("Add", {"doubled", "corner"}, "cells_xy");
    }
    net.reshape("strides", {1, 1, 1, net.places()}, "strides4");
    net.op("Mul", {"cells_xy", "strides4"}, "pixels_xy");
    std::string joined = "pixels_xy";
    if (one.values == 3) {
      net.op("Sigmoid", {"visible"}, "shown");
      net.concat({"pixels_xy", "shown"}, "joined", 2);
      joined = "joined";
    }
    net.reshape(joined, {1, channels, net.places()}, "key_points");
    net.concat({"boxes", "scores", "key_points"}, "decoded", 1);
    net.says("task", "pose");
    net.says("kpt_shape", "[" + std::to_string(one.points) + ", " + std::to_string(one.values) + "]");
    if (one.yolo26) {
      net.reshape("scores", {1, net.places()}, "best");
      net.builder.integers("k", {30});
      net.builder.node("TopK", {"best", "k"}, {"top", "which"}, {{"axis", int64_t{-1}}});
      net.builder.integers("rows_of", {1, 1, 30});
      net.op("Reshape", {"which", "rows_of"}, "which_rows");
      net.builder.integers("all_channels", {1, 5 + channels, 1});
      net.op("Tile", {"which_rows", "all_channels"}, "which_all");
      net.op("GatherElements", {"decoded", "which_all"}, "output0", {{"axis", int64_t{2}}});
      net.builder.output("output0");
    } else {
      net.builder.output("decoded");
    }
    const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 1);
    const Table theirs{own_outputs(net, {"decoded"}).at("decoded")};
    EXPECT_EQ(ours.task, Task::kKeyPoints);
    expect_boxes(ours, theirs, Form::kCentre, 4);
    for (size_t place = 0; place < theirs.places(); ++place) {
      const Found& found = ours.at(place, 0);
      ASSERT_EQ(found.points.size(), static_cast<size_t>(one.points));
      for (size_t k = 0; k < found.points.size(); ++k) {
        const size_t at = 5 + k * static_cast<size_t>(one.values);
        expect_near(found.points[k].x - kMargin, theirs.at(at, place), theirs.largest(), "x");
        expect_near(found.points[k].y - kMargin, theirs.at(at + 1, place), theirs.largest(), "y");
        EXPECT_NEAR(found.points[k].score, one.values == 3 ? theirs.at(at + 2, place) : 1, 1e-5);
      }
    }
  }
}

// Coefficients and prototypes come out of the cut graph as the export has them.
TEST(ExportDecode, Segment) {
  Net net(3);
  net.convs("sides", 64);
  net.convs("logits", 2);
  net.convs("coefficients", 32);
  net.rows("sides", 64);
  net.rows("logits", 2);
  net.rows("coefficients", 32);
  net.grid(0.5f);
  net.boxes(net.expectation("sides", 16), false);
  net.op("Sigmoid", {"logits"}, "scores");
  net.concat({"boxes", "scores", "coefficients"}, "output0", 1);
  net.conv("images", 3, 32, "plain", 4);
  net.op("Relu", {"plain"}, "output1");
  net.builder.output("output0").output("output1");
  const auto own = own_outputs(net, {"output0", "output1"});
  const Table theirs{own.at("output0")};
  const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 2);
  EXPECT_EQ(ours.task, Task::kMasks);
  expect_boxes(ours, theirs, Form::kCentre, 4);

  graph::Graph cut = net.builder.graph();
  graph::prepare(cut, {});
  const auto raw = engine::Engine(cut).run({{"images", {{1, 3, net.size, net.size}, picture(net)}}});
  EXPECT_EQ(raw.at("p").values, own.at("output1").values);
  size_t place = 0;
  for (const std::string level : {"mc0", "mc1", "mc2"}) {
    const engine::Array& array = raw.at(level);
    const auto count = static_cast<size_t>(array.shape[2] * array.shape[3]);
    for (size_t cell = 0; cell < count; ++cell, ++place) {
      for (size_t c = 0; c < 32; ++c) EXPECT_EQ(array.values[c * count + cell], theirs.at(6 + c, place));
    }
  }
}

// The centre moves in the box's own directions by half the difference of opposite sides.
TEST(ExportDecode, Rotated) {
  for (const int64_t bins : {int64_t{16}, int64_t{1}}) {
    Net net(3);
    net.convs("sides", 4 * bins);
    net.convs("logits", 2);
    net.convs("turn", 1);
    net.rows("sides", 4 * bins);
    net.rows("logits", 2);
    net.rows("turn", 1);
    net.grid(0.5f);
    const std::string distances = net.expectation("sides", bins);
    net.scalar("quarter", 0.25f);
    net.scalar("pi", 3.14159265f);
    net.scalar("two", 2);
    net.op("Sigmoid", {"turn"}, "share");
    net.op("Sub", {"share", "quarter"}, "turns");
    net.op("Mul", {"turns", "pi"}, "angle");
    net.op("Cos", {"angle"}, "cosine");
    net.op("Sin", {"angle"}, "sine");
    net.split(distances, {"lt", "rb"}, {2, 2}, 1);
    net.op("Sub", {"rb", "lt"}, "difference");
    net.op("Div", {"difference", "two"}, "shift");
    net.split("shift", {"xf", "yf"}, {1, 1}, 1);
    net.op("Mul", {"xf", "cosine"}, "xc");
    net.op("Mul", {"yf", "sine"}, "ys");
    net.op("Sub", {"xc", "ys"}, "dx");
    net.op("Mul", {"xf", "sine"}, "xs");
    net.op("Mul", {"yf", "cosine"}, "yc");
    net.op("Add", {"xs", "yc"}, "dy");
    net.concat({"dx", "dy"}, "moved", 1);
    net.op("Add", {"points", "moved"}, "centre");
    net.op("Add", {"lt", "rb"}, "extent");
    net.concat({"centre", "extent"}, "cells_box", 1);
    net.op("Mul", {"cells_box", "strides"}, "boxes");
    net.op("Sigmoid", {"logits"}, "scores");
    net.concat({"boxes", "scores", "angle"}, "output0", 1);
    net.builder.output("output0");
    const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 2);
    EXPECT_EQ(ours.task, Task::kRotatedBoxes);
    const Table theirs{own_outputs(net, {"output0"}).at("output0")};
    expect_boxes(ours, theirs, Form::kCentre, 4);
    for (size_t place = 0; place < theirs.places(); ++place)
      EXPECT_NEAR(ours.at(place, 0).angle, theirs.at(6, place), 1e-5);
  }
}

// YOLOX as it is usually exported, probabilities without a decoder, and with its decoder.
TEST(ExportDecode, Objectness) {
  for (const bool with_decoder : {false, true}) {
    for (const int64_t classes : {int64_t{1}, int64_t{80}}) {
      Net net(3);
      net.convs("reg", 4);
      net.convs("obj", 1);
      net.convs("cls", classes, "g");
      for (int64_t i = 0; i < 3; ++i) {
        net.op("Sigmoid", {numbered("obj", i)}, numbered("objp", i));
        net.op("Sigmoid", {numbered("cls", i)}, numbered("clsp", i));
        net.concat({numbered("reg", i), numbered("objp", i), numbered("clsp", i)}, numbered("all", i), 1);
      }
      net.rows("all", 5 + classes);
      const std::vector<std::string> wanted = {"decoded"};
      net.op("Transpose", {"all"}, "plain", {{"perm", Ints{0, 2, 1}}});
      const auto add_decoder = [&] {
        net.grid(0);
        net.op("Transpose", {"points"}, "points_t", {{"perm", Ints{0, 2, 1}}});
        net.op("Transpose", {"strides"}, "strides_t", {{"perm", Ints{0, 2, 1}}});
        net.split("plain", {"txy", "twh", "rest"}, {2, 2, 1 + classes}, 2);
        net.op("Add", {"txy", "points_t"}, "cxy");
        net.op("Mul", {"cxy", "strides_t"}, "pxy");
        net.op("Exp", {"twh"}, "ewh");
        net.op("Mul", {"ewh", "strides_t"}, "pwh");
        net.concat({"pxy", "pwh", "rest"}, "decoded", 2);
      };
      if (with_decoder) {
        add_decoder();
        net.builder.output("decoded");
      } else {
        net.builder.output("plain");
      }
      const Decoded ours = decoded(net, static_cast<size_t>(net.places()), static_cast<size_t>(classes));
      if (!with_decoder) add_decoder();
      expect_boxes(ours, {own_outputs(net, wanted).at("decoded"), true}, Form::kCentre, 5, 4);
    }
  }
}

// YOLOv5: three anchors a cell, their constants read from the decoder; rows by level, anchor, cell.
TEST(ExportDecode, Anchors) {
  for (const auto& [levels, classes] : {std::pair<int64_t, int64_t>{3, 80}, {1, 1}, {2, 4}}) {
    Net net(levels);
    const int64_t each = 5 + classes;
    net.convs("raw", 3 * each);
    net.scalar("two", 2);
    std::vector<std::string> parts;
    std::vector<size_t> order;
    size_t before = 0;
    for (int64_t i = 0; i < levels; ++i) {
      const int64_t w = net.width(i);
      const auto name = [&](const char* what) { return numbered(what, i); };
      net.reshape(name("raw"), {1, 3, each, w, w}, name("five"));
      net.op("Transpose", {name("five")}, name("cells"), {{"perm", Ints{0, 1, 3, 4, 2}}});
      net.op("Sigmoid", {name("cells")}, name("sigma"));
      net.split(name("sigma"), {name("xy"), name("wh"), name("rest")}, {2, 2, 1 + classes}, 4);
      Floats grid, sizes;
      for (int64_t cell = 0; cell < w * w; ++cell) {
        grid.push_back(static_cast<float>(cell % w) - 0.5f);
        grid.push_back(static_cast<float>(cell / w) - 0.5f);
      }
      for (int64_t a = 0; a < 3; ++a) {
        sizes.push_back(static_cast<float>(10 * (a + 1) << i));
        sizes.push_back(static_cast<float>((7 + 6 * a) << i));
      }
      net.constant(name("grid"), {1, 1, w, w, 2}, grid);
      net.constant(name("sizes"), {1, 3, 1, 1, 2}, sizes);
      net.scalar(name("stride"), static_cast<float>(8 << i));
      net.op("Mul", {name("xy"), "two"}, name("xy2"));
      net.op("Add", {name("xy2"), name("grid")}, name("xyc"));
      net.op("Mul", {name("xyc"), name("stride")}, name("xyp"));
      net.op("Mul", {name("wh"), "two"}, name("wh2"));
      net.op("Pow", {name("wh2"), "two"}, name("whs"));
      net.op("Mul", {name("whs"), name("sizes")}, name("whp"));
      net.concat({name("xyp"), name("whp"), name("rest")}, name("level"), 4);
      net.reshape(name("level"), {1, 3 * w * w, each}, name("rows"));
      parts.push_back(name("rows"));
      const auto cells = static_cast<size_t>(w * w);
      for (size_t cell = 0; cell < cells; ++cell) {
        for (size_t a = 0; a < 3; ++a) order.push_back(before + a * cells + cell);
      }
      before += 3 * cells;
    }
    net.concat(parts, "output0", 1);
    net.builder.output("output0");
    const Decoded ours = decoded(net, before, static_cast<size_t>(classes));
    expect_boxes(ours, {own_outputs(net, {"output0"}).at("output0"), true, order}, Form::kCentre, 5, 4);
  }
}

// NanoDet's export holds probabilities and distributions; the decoder behind it counts from cell centres, of
// NanoDet-Plus, which has four levels, from their corners.
TEST(ExportDecode, NanoDet) {
  for (const int64_t levels : {int64_t{3}, int64_t{4}}) {
    Net net(levels);
    net.convs("both", 5 + 32);
    for (int64_t i = 0; i < levels; ++i) {
      net.split(numbered("both", i), {numbered("logits", i), numbered("sides", i)}, {5, 32}, 1);
      net.op("Sigmoid", {numbered("logits", i)}, numbered("scores", i));
      net.builder.output(numbered("scores", i)).output(numbered("sides", i));
    }
    const Decoded ours = decoded(net, static_cast<size_t>(net.places()), 5);
    net.rows("sides", 32);
    net.rows("scores", 5);
    net.grid(levels == 4 ? 0 : 0.5f);
    net.boxes(net.expectation("sides", 8), true);
    net.concat({"boxes", "scores"}, "decoded", 1);
    expect_boxes(ours, {own_outputs(net, {"decoded"}).at("decoded")}, Form::kCorners, 4);
  }
}

TEST(ExportDecode, Classify) {
  for (const bool softmax : {true, false}) {
    Net net(1);
    net.conv("f0", kFeatures, 9, "map");
    net.op("GlobalAveragePool", {"map"}, "pooled");
    net.op("Flatten", {"pooled"}, "logits");
    net.op("Softmax", {"logits"}, "probabilities", {{"axis", int64_t{1}}});
    net.builder.output(softmax ? "probabilities" : "logits");
    if (!softmax) net.says("task", "classify");
    const tests::TemporaryFolder folder;
    Detector detector(folder.write("network.onnx", net.builder.bytes()));
    Prepared prepared;
    prepared.planar = picture(net);
    DetectOptions options = evaluation_options();
    options.max_detections = 9;
    const Results results = detector.detect(prepared, options);
    const auto own = own_outputs(net, {"probabilities"}).at("probabilities").values;
    ASSERT_EQ(results.classes.size(), 9u);
    for (const ClassScore& one : results.classes)
      EXPECT_NEAR(one.score, own.at(static_cast<size_t>(one.category)), 1e-6);
  }
}

}  // namespace
}  // namespace shrike::evaluate
