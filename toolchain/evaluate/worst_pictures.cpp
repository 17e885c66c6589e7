#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "toolchain/data/decode.h"
#include "toolchain/data/draw.h"
#include "toolchain/evaluate/report.h"

namespace shrike::evaluate {
namespace {

constexpr int kShownSide = 640, kQuality = 80;

// Small enough for a page.
data::Image shown(const std::string& path, double* scale) {
  data::Image image = data::load_image(path);
  *scale = std::min(1.0, static_cast<double>(kShownSide) / std::max(image.width, image.height));
  if (*scale == 1) return image;
  return data::resize_bilinear(image, std::max(1, static_cast<int>(image.width * *scale)),
                               std::max(1, static_cast<int>(image.height * *scale)));
}

template <class Box>
data::LabelledBox labelled(const Box& box, double scale, std::string label, data::Rgb color) {
  return {static_cast<float>(box.x * scale),
          static_cast<float>(box.y * scale),
          static_cast<float>((box.x + box.width) * scale),
          static_cast<float>((box.y + box.height) * scale),
          std::move(label),
          color};
}

std::vector<uint8_t> drawn(const Folder& folder, const std::string& path, int64_t image_id,
                           const std::vector<Detection>& detections, double score) {
  double scale = 1;
  data::Image image = shown(path, &scale);
  const auto& names = folder.dataset.category_names;
  const auto& ids = folder.dataset.category_ids;
  const auto name_of = [&](int category) {
    const auto named = names.find(category);
    return named == names.end() ? fmt::format("class {}", category) : named->second;
  };
  std::vector<data::LabelledBox> boxes;
  for (const Detection& found : detections) {
    if (found.image_id != image_id || !(found.score > score)) continue;
    const auto index = std::lower_bound(ids.begin(), ids.end(), found.category_id) - ids.begin();
    boxes.push_back(labelled(found, scale, fmt::format("{} {:.2f}", name_of(found.category_id), found.score),
                             data::color_of(static_cast<int>(index))));
  }
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const auto& a, const auto& b) { return a.label < b.label; });
  for (const GroundTruth& truth : folder.dataset.annotations) {
    if (truth.image_id == image_id && !truth.crowd)
      boxes.push_back(labelled(truth, scale, name_of(truth.category_id), {255, 255, 255}));
  }
  data::draw_boxes(image, boxes, data::Lettering::usual());
  return data::encode_jpeg(image, kQuality);
}

}  // namespace

std::vector<ReportPicture> worst_pictures(const Folder& folder, const std::vector<Detection>& detections,
                                          Measure measure, double score, size_t count) {
  const std::vector<Faults> all = faults(folder.dataset, detections, measure, score);
  std::vector<size_t> order;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].missed + all[i].wrong > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return all[a].missed + all[a].wrong > all[b].missed + all[b].wrong;
  });
  if (order.size() > count) order.resize(count);
  std::vector<ReportPicture> pictures;
  for (const size_t i : order) {
    pictures.push_back(
        {std::filesystem::path(folder.paths[i]).filename().generic_string(),
         fmt::format("{} of {} labels missed, {} boxes wrong", all[i].missed, all[i].labels, all[i].wrong),
         drawn(folder, folder.paths[i], all[i].image_id, detections, score)});
  }
  return pictures;
}

}  // namespace shrike::evaluate
