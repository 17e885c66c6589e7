#include "toolchain/import/pt/heads.h"

#include <map>
#include <utility>

#include "toolchain/support/error.h"

namespace shrike::graph::pt {
namespace {

constexpr int64_t kMostPlaces = 1 << 20;  // of one level
constexpr float kPi = 3.14159265358979f;

const std::map<std::string, std::string> kTasks = {
    {"Detect", "detect"}, {"ESPDetect", "detect"}, {"v10Detect", "detect"}, {"Segment", "segment"},
    {"Pose", "pose"},     {"OBB", "obb"},          {"Classify", "classify"}};

class Head {
 public:
  Head(Layers& layers, const Module& head, const std::vector<std::string>& xs, PictureSize picture)
      : layers_(layers), writer_(layers.writer()), head_(head), xs_(xs) {
    end_to_end_ = head.flag("end2end", false) && head.has_child("one2one_cv2");
    lay_out(head.weights("stride"), picture);
  }

  // [1, channels, places]: one part's results of all levels.
  std::string joined(const std::string& part, int64_t channels) {
    const std::vector<Module> convolutions = head_.child(part).children();
    if (convolutions.size() != xs_.size())
      head_.refuse("{} levels were expected in '{}', found {}", xs_.size(), part, convolutions.size());
    std::vector<std::string> rows;
    for (size_t i = 0; i < xs_.size(); ++i) {
      const std::string raw = layers_.run(convolutions[i], xs_[i]);
      rows.push_back(node("Reshape", {raw, writer_.integers(name("shape"), {1, channels, -1})}));
    }
    return rows.size() == 1 ? rows[0] : node("Concat", std::move(rows), {{"axis", int64_t{2}}});
  }

  // Distances from each place to the left, top, right and bottom side in units of the stride.
  std::string distances() {
    const int64_t bins = head_.integer("reg_max");
    if (bins < 1 || bins > 256) head_.refuse("{} bins for a distance are not sensible", bins);
    const std::string raw = joined(end_to_end_ ? "one2one_cv2" : "cv2", 4 * bins);
    if (bins == 1) return raw;
    const Module dfl = head_.child("dfl");
    std::string y = node("Reshape", {raw, writer_.integers(name("dfl/shape"), {1, 4, bins, -1})});
    y = node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    y = node("Softmax", {y}, {{"axis", int64_t{1}}});
    y = layers_.run(dfl.child("conv"), y);
    return node("Reshape", {y, writer_.integers(name("dfl/shape"), {1, 4, -1})});
  }

  std::string boxes() {
    const auto [before, after] = sides();
    const std::string low = node("Sub", {anchors(), before}), high = node("Add", {anchors(), after});
    if (end_to_end_) return scaled(node("Concat", {low, high}, {{"axis", int64_t{1}}}));
    const std::string two = writer_.constant(name("two"), {}, {2});
    const std::string centre = node("Div", {node("Add", {low, high}), two});
    return scaled(node("Concat", {centre, node("Sub", {high, low})}, {{"axis", int64_t{1}}}));
  }

  // Boxes turned by `angle` around their centre, which is off the place by the turned half difference of the
  // sides.
  std::string turned_boxes(const std::string& angle) {
    const auto [before, after] = sides();
    const std::string two = writer_.constant(name("two"), {}, {2});
    const auto half = split(node("Div", {node("Sub", {after, before}), two}), 1, 1);
    const std::string cosine = node("Cos", {angle}), sine = node("Sin", {angle});
    const std::string x = node("Sub", {node("Mul", {half[0], cosine}), node("Mul", {half[1], sine})});
    const std::string y = node("Add", {node("Mul", {half[0], sine}), node("Mul", {half[1], cosine})});
    const std::string centre = node("Add", {node("Concat", {x, y}, {{"axis", int64_t{1}}}), anchors()});
    return scaled(node("Concat", {centre, node("Add", {before, after})}, {{"axis", int64_t{1}}}));
  }

  std::string scores() {
    return node("Sigmoid", {joined(end_to_end_ ? "one2one_cv3" : "cv3", head_.integer("nc"))});
  }

  std::string angles() {
    const int64_t count = head_.integer("ne", 1);
    const std::string raw = node("Sigmoid", {joined("cv4", count)});
    const std::string quarter = writer_.constant(name("quarter"), {}, {0.25f});
    return node("Mul", {node("Sub", {raw, quarter}), writer_.constant(name("pi"), {}, {kPi})});
  }

  // Key points: x and y from the place's corner in units of half a stride, then (with three numbers) the
  // visibility.
  std::string key_points() {
    const std::vector<int64_t> shape = head_.list("kpt_shape");
    if (shape.size() != 2 || shape[0] < 1 || shape[0] > 1000 || (shape[1] != 2 && shape[1] != 3))
      head_.refuse("key points of 2 or 3 numbers were expected");
    const std::string raw = joined("cv4", shape[0] * shape[1]);
    const std::string parts =
        node("Reshape", {raw, writer_.integers(name("shape"), {1, shape[0], shape[1], -1})});
    std::vector<std::string> split_parts = {parts};
    if (shape[1] == 3) split_parts = split(parts, 2, 1, 2);
    std::vector<float> corner = anchors_;
    for (float& value : corner) value -= 0.5f;
    const std::string two = writer_.constant(name("two"), {}, {2});
    const auto places = static_cast<int64_t>(strides_.size());
    std::string xy = node("Mul", {split_parts[0], two});
    xy = node("Add", {xy, writer_.constant(name("corners"), {1, 1, 2, places}, std::move(corner))});
    xy = scaled(xy);
    if (shape[1] == 3) xy = node("Concat", {xy, node("Sigmoid", {split_parts[1]})}, {{"axis", int64_t{2}}});
    return node("Reshape", {xy, writer_.integers(name("shape"), {1, shape[0] * shape[1], -1})});
  }

  std::string join(std::vector<std::string> parts) {
    return node("Concat", std::move(parts), {{"axis", int64_t{1}}});
  }

 private:
  void lay_out(const Weights& strides, PictureSize picture) {
    if (strides.values.size() != xs_.size())
      head_.refuse("{} strides were expected, found {}", xs_.size(), strides.values.size());
    std::vector<float> rows;
    for (const float stride : strides.values) {
      if (!(stride >= 1) || stride > 1024) head_.refuse("a stride of {} is not sensible", stride);
      const auto height = static_cast<int64_t>(static_cast<float>(picture.height) / stride);
      const auto width = static_cast<int64_t>(static_cast<float>(picture.width) / stride);
      if (height * width > kMostPlaces)
        head_.refuse("a stride of {} for pictures of {}x{} is not sensible", stride, picture.height,
                     picture.width);
      for (int64_t i = 0; i < height * width; ++i) {
        anchors_.push_back(static_cast<float>(i % width) + 0.5f);
        rows.push_back(static_cast<float>(i / width) + 0.5f);
        strides_.push_back(stride);
      }
    }
    anchors_.insert(anchors_.end(), rows.begin(), rows.end());
  }

  std::pair<std::string, std::string> sides() {
    const auto parts = split(distances(), 2, 2, 1);
    return {parts[0], parts[1]};
  }

  std::vector<std::string> split(const std::string& x, int64_t first, int64_t second, int64_t axis = 1) {
    const std::string sizes = writer_.integers(name("Split/split"), {first, second});
    return writer_.node("Split", name("Split"), {x, sizes}, {{"axis", axis}}, 2);
  }

  std::string anchors() {
    return writer_.constant(name("anchors"), {1, 2, static_cast<int64_t>(strides_.size())}, anchors_);
  }

  // From units of the stride to pixels.
  std::string scaled(const std::string& x) {
    const auto places = static_cast<int64_t>(strides_.size());
    return node("Mul", {x, writer_.constant(name("strides"), {1, places}, strides_)});
  }

  std::string name(const std::string& part) const { return Layers::node_name(head_, part); }

  std::string node(const std::string& op, std::vector<std::string> inputs, Attributes attributes = {}) {
    return writer_.node(op, name(op), std::move(inputs), std::move(attributes));
  }

  Layers& layers_;
  GraphWriter& writer_;
  const Module& head_;
  const std::vector<std::string>& xs_;
  bool end_to_end_ = false;
  std::vector<float> anchors_;  // x of every place, then y, in units of its stride
  std::vector<float> strides_;  // of every place
};

void write_classifier(Layers& layers, const Module& head, const std::vector<std::string>& xs) {
  GraphWriter& writer = layers.writer();
  const auto node = [&](const std::string& op, std::vector<std::string> inputs, Attributes attributes) {
    return writer.node(op, Layers::node_name(head, op), std::move(inputs), std::move(attributes));
  };
  std::string x = xs.size() == 1 ? xs[0] : node("Concat", xs, {{"axis", int64_t{1}}});
  x = layers.run(head.child("pool"), layers.run(head.child("conv"), x));
  x = layers.run(head.child("linear"), node("Flatten", {x}, {{"axis", int64_t{1}}}));
  writer.output(node("Softmax", {x}, {{"axis", int64_t{1}}}), "output0");
}

}  // namespace

std::string task_of(const Module& head) {
  const auto found = kTasks.find(head.kind());
  return found == kTasks.end() ? "" : found->second;
}

std::vector<std::string> head_classes() {
  std::vector<std::string> names;
  for (const auto& [name, task] : kTasks) names.push_back(name);
  return names;
}

void write_head(Layers& layers, const Module& head, const std::vector<std::string>& xs, PictureSize picture) {
  check_origin(head);
  const std::string task = task_of(head);
  if (task == "classify") return write_classifier(layers, head, xs);
  Head decoder(layers, head, xs, picture);
  if (task == "obb") {
    const std::string angles = decoder.angles();
    layers.writer().output(decoder.join({decoder.turned_boxes(angles), decoder.scores(), angles}), "output0");
    return;
  }
  std::vector<std::string> parts = {decoder.boxes(), decoder.scores()};
  std::string prototypes;
  if (task == "segment") {
    prototypes = layers.run(head.child("proto"), xs[0]);
    parts.push_back(decoder.joined("cv4", head.integer("nm")));
  }
  if (task == "pose") parts.push_back(decoder.key_points());
  layers.writer().output(decoder.join(std::move(parts)), "output0");
  if (!prototypes.empty()) layers.writer().output(prototypes, "output1");
}

}  // namespace shrike::graph::pt
