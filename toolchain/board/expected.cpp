#include "toolchain/board/expected.h"

#include <algorithm>
#include <cmath>

#include "shrike/detector.h"
#include "shrike/image.h"
#include "toolchain/host/op_list.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace shrike::board {
namespace {

constexpr uint64_t kSeed = 1;  // as the project's program

std::vector<std::string> fingerprints(const InspectableModel& model) {
  std::vector<std::string> result;
  for (int32_t i = 0; i < model.output_count(); ++i) {
    const TensorView output = model.output(i);
    result.push_back(sha256(output.data, output.bytes));
  }
  return result;
}

std::string name_of(const Facts& facts, int32_t category) {
  return static_cast<size_t>(category) < facts.names.size() ? facts.names[static_cast<size_t>(category)]
                                                            : "?";
}

void require_ok(const Facts& facts, const Status& status) {
  if (!status.ok()) throw Error(host::describe(status, facts.path, ""));
}

std::string points_of(const Facts& facts, const Head& head, const Detection& box,
                      const ImagePlacement& placement) {
  std::vector<KeyPoint> points(static_cast<size_t>(head.key_points));
  require_ok(facts, decode_key_points(head, box, placement, DetectMode::kChip, points.data()));
  std::string line = "points";
  for (const KeyPoint& point : points)
    line += fmt::format(" ({}, {})", static_cast<int>(point.x), static_cast<int>(point.y));
  return line;
}

std::vector<std::string> objects_in(const Facts& facts, const InspectableModel& model,
                                    const ImagePlacement& placement, const DetectOptions& options) {
  std::vector<std::string> lines;
  if (facts.head->row->result == heads::Result::kClasses) {
    ClassScore best[5];
    int32_t count = 0;
    require_ok(facts, decode_classes(model.output(0), facts.softmax_missing, 0, best, 5, &count));
    for (int32_t i = 0; i < count; ++i)
      lines.push_back(fmt::format("class {} score={:.4f} {}", best[i].category, best[i].score,
                                  name_of(facts, best[i].category)));
    return lines;
  }
  Head head;
  require_ok(facts, find_head(model, kAllHeads, &head));
  std::vector<uint8_t> scratch(detect_scratch_bytes(options));
  std::vector<Detection> found(static_cast<size_t>(options.max_detections));
  int32_t count = 0;
  require_ok(facts, decode_detections(head, placement, options, scratch.data(), scratch.size(), found.data(),
                                      &count));
  for (int32_t i = 0; i < count; ++i) {
    const Detection& box = found[static_cast<size_t>(i)];
    lines.push_back(fmt::format("box class={} score={:.4f} x1={} y1={} x2={} y2={} {}", box.category,
                                box.score, static_cast<int>(box.x1), static_cast<int>(box.y1),
                                static_cast<int>(box.x2), static_cast<int>(box.y2),
                                name_of(facts, box.category)));
    if (head.kind == HeadKind::kRotatedBoxes) lines.push_back(fmt::format("angle radians={:.3f}", box.angle));
    if (head.key_points > 0) lines.push_back(points_of(facts, head, box, placement));
  }
  return lines;
}

}  // namespace

data::Image picture_for(const Facts& facts, const data::Image& picture) {
  if (!facts.picture) return picture;
  const double factor = std::min({1.0, static_cast<double>(facts.picture->width) / picture.width,
                                  static_cast<double>(facts.picture->height) / picture.height});
  const int width = std::max(1, static_cast<int>(std::lround(factor * picture.width)));
  const int height = std::max(1, static_cast<int>(std::lround(factor * picture.height)));
  if (width == picture.width && height == picture.height) return picture;
  return data::resize_bilinear(picture, width, height);
}

Expected expected_of(const Facts& facts, const data::Image* picture, float score_threshold,
                     float iou_threshold, int max_detections) {
  host::IntegerOptions integer;
  integer.target = host::target_name(facts.chip);
  host::IntegerModel file = host::IntegerModel::from_bytes(facts.file, facts.path, integer);
  const InspectableModel& model = file.model();
  Expected expected;
  expected.operators_source = host::op_set_source(model);
  expected.on_seed.resize(facts.outputs.size());
  expected.on_picture.resize(facts.outputs.size());
  expected.seeded = std::all_of(facts.inputs.begin(), facts.inputs.end(),
                                [](const Port& port) { return port.type != DataType::kFloat32; });
  if (expected.seeded) {
    host::fill_inputs(model, kSeed);
    file.run();
    expected.on_seed = fingerprints(model);
  }
  if (picture == nullptr) return expected;
  const ImageView view{picture->pixels.data(), picture->width, picture->height, PixelFormat::kRgb888};
  ImagePlacement placement;
  require_ok(facts, preprocess(view, preprocess_options(model), model, &placement));
  file.run();
  expected.on_picture = fingerprints(model);
  DetectOptions options;
  options.score_threshold = score_threshold;
  options.iou_threshold = iou_threshold;
  options.max_detections = max_detections;
  if (facts.head) expected.objects = objects_in(facts, model, placement, options);
  return expected;
}

}  // namespace shrike::board
