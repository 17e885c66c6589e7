// What the bare-metal detector (firmware/qemu-virt/detect.cpp) prints, as data.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "shrike/detector.h"

namespace shrike::cli {

struct FirmwareOutput {
  std::string name, sha256;
};

struct FirmwareLayer {
  int32_t node = 0;
  uint64_t instructions = 0, macs = 0;
  std::string filter;  // stored dimensions of its second input, "[3,3,16,32]"
  std::string type, name;
};

struct FirmwarePicture {
  std::vector<FirmwareOutput> outputs;
  std::vector<Detection> detections;
  uint64_t preprocess = 0, network = 0, decode = 0;  // instructions
};

struct FirmwareRun {
  uint64_t model_bytes = 0, arena_needed = 0, arena_capacity = 0, stack = 0;
  std::vector<FirmwareLayer> layers;  // of the first picture
  std::vector<FirmwarePicture> pictures;
};

// Lines it does not know are passed over: the caller shows the whole text when something is missing.
FirmwareRun parse_firmware_output(const std::string& text);

struct LayerSum {
  uint64_t instructions = 0, macs = 0;
};
struct LayerSums {
  LayerSum convolutions;  // all below but `others`
  LayerSum pointwise64;   // 1x1 from 64 and more channels
  LayerSum spatial;       // larger kernels, not depthwise
  LayerSum depthwise;
  LayerSum others;  // no convolution
};
LayerSums sum_layers(const std::vector<FirmwareLayer>& layers);
double per_mac(const FirmwareLayer& layer);

}  // namespace shrike::cli
