#include "cli/firmware_output.h"

#include <bit>
#include <cstdio>
#include <sstream>

namespace shrike::cli {
namespace {

Detection read_detection(std::istringstream& words) {
  Detection d{};
  words >> d.category;
  words >> std::hex;
  for (float* value : {&d.score, &d.x1, &d.y1, &d.x2, &d.y2}) {
    uint32_t bits = 0;
    words >> bits;
    *value = std::bit_cast<float>(bits);
  }
  return d;
}

void read_line(const std::string& line, FirmwareRun& run) {
  std::istringstream words(line);
  std::string kind, word;
  words >> kind;
  if (kind == "model") words >> run.model_bytes;
  if (kind == "arena") words >> run.arena_needed >> word >> run.arena_capacity;
  if (kind == "stack") words >> run.stack;
  if (kind == "picture") run.pictures.emplace_back();
  if (kind == "layer") {
    FirmwareLayer layer;
    words >> layer.node >> layer.instructions >> layer.macs >> layer.filter >> layer.type;
    std::getline(words >> std::ws, layer.name);
    run.layers.push_back(layer);
  }
  if (run.pictures.empty()) return;
  FirmwarePicture& picture = run.pictures.back();
  if (kind == "output") {
    FirmwareOutput output;
    words >> output.sha256;
    std::getline(words >> std::ws, output.name);
    picture.outputs.push_back(output);
  }
  if (kind == "detection") picture.detections.push_back(read_detection(words));
  if (kind == "instructions") words >> picture.preprocess >> picture.network >> picture.decode;
}

void add(LayerSum& sum, const FirmwareLayer& layer) {
  sum.instructions += layer.instructions;
  sum.macs += layer.macs;
}

}  // namespace

FirmwareRun parse_firmware_output(const std::string& text) {
  FirmwareRun run;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) read_line(line, run);
  return run;
}

LayerSums sum_layers(const std::vector<FirmwareLayer>& layers) {
  LayerSums sums;
  for (const FirmwareLayer& layer : layers) {
    if (layer.type != "Conv" || layer.macs == 0) {
      add(sums.others, layer);
      continue;
    }
    add(sums.convolutions, layer);
    // Filters are stored [KH, KW, C, N], depthwise ones [KH, KW, N, 1] (spec/espdl-format.md 6).
    int height = 0, width = 0, inputs = 0, outputs = 0;
    std::sscanf(layer.filter.c_str(), "[%d,%d,%d,%d]", &height, &width, &inputs, &outputs);
    if (outputs == 1) {
      add(sums.depthwise, layer);
    } else if (height > 1 || width > 1) {
      add(sums.spatial, layer);
    } else if (inputs >= 64) {
      add(sums.pointwise64, layer);
    }
  }
  return sums;
}

double per_mac(const FirmwareLayer& layer) {
  return static_cast<double>(layer.instructions) / static_cast<double>(layer.macs);
}

}  // namespace shrike::cli
