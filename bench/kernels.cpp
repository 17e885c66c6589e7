// Every kernel of every instruction set, on the layer shapes of YOLO11n at 640x640, and oneDNN's signed 8-bit
// convolution on the same shapes. One thread. `peak` is the share of the machine's measured multiply-add
// rate.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/onednn.h"
#include "kernels/kernels.h"

namespace shrike::bench {
namespace {

struct Layer {
  const char* name;
  int side, in_c, out_c, kernel, stride;  // `side` of the input, padding kernel / 2
  bool depthwise = false;

  int out_side() const { return (side + 2 * (kernel / 2) - kernel) / stride + 1; }
  size_t weights() const { return static_cast<size_t>(kernel) * kernel * (depthwise ? 1 : in_c) * out_c; }
  double macs() const {
    return static_cast<double>(out_side()) * out_side() * static_cast<double>(weights());
  }
};

const Layer kLayers[] = {
    {"stem", 640, 3, 16, 3, 2},
    {"model.1", 320, 16, 32, 3, 2},
    {"model.2.cv1", 160, 32, 32, 1, 1},
    {"model.2.m.0.cv1", 160, 16, 8, 3, 1},
    {"model.2.cv2", 160, 48, 64, 1, 1},
    {"model.3", 160, 64, 64, 3, 2},
    {"model.4.cv2", 80, 96, 128, 1, 1},
    {"model.5", 80, 128, 128, 3, 2},
    {"model.6.m.0.m", 40, 32, 32, 3, 1},
    {"model.7", 40, 128, 256, 3, 2},
    {"model.8.m.0.m", 20, 64, 64, 3, 1},
    {"model.9.cv2", 20, 512, 256, 1, 1},
    {"model.13.cv1", 40, 384, 128, 1, 1},
    {"head.box.0", 80, 64, 64, 3, 1},
    {"head.score.0", 80, 80, 80, 1, 1},
    {"head.depthwise.0", 80, 64, 64, 3, 1, true},
    {"head.depthwise.2", 20, 256, 256, 3, 1, true},
};

std::vector<int8_t> random_bytes(size_t count) {
  std::mt19937 random(1);
  std::vector<int8_t> bytes(count);
  for (int8_t& byte : bytes) byte = static_cast<int8_t>(random());
  return bytes;
}

// Bell-shaped, as trained weights are.
std::vector<int8_t> random_weights(size_t count) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 28);
  std::vector<int8_t> weights(count);
  for (int8_t& weight : weights) weight = static_cast<int8_t>(std::clamp(normal(random), -127.0f, 127.0f));
  return weights;
}

double peak_gmacs() {
  static const double peak = multiply_add_peak(best_kernels()->isa, 1).gmacs;
  return peak;
}

void count_macs(benchmark::State& state, double macs) {
  const double all = macs * static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(1e-9 * all, benchmark::Counter::kIsRate);
  state.counters["peak"] = benchmark::Counter(1e-9 * all / peak_gmacs(), benchmark::Counter::kIsRate);
}

ConvGeometry geometry_of(const Layer& layer) {
  ConvGeometry g{};
  g.in_h = g.in_w = layer.side;
  g.out_h = g.out_w = layer.out_side();
  g.in_c = layer.in_c, g.out_c = layer.out_c;
  g.kernel_h = g.kernel_w = layer.kernel;
  g.stride_h = g.stride_w = layer.stride;
  g.dilation_h = g.dilation_w = 1;
  g.pad_top = g.pad_left = layer.kernel / 2;
  g.depthwise = layer.depthwise;
  return g;
}

// Conv: Conv8 or Conv16, without packed weights.
template <class Kernel, class Conv, class Value>
void time_convolution(benchmark::State& state, const Kernel& kernel, Conv conv, const Layer& layer,
                      const std::vector<Value>& input) {
  conv.geometry = geometry_of(layer);
  conv.layout = WeightLayout::kBlocked;
  std::vector<Value> output(static_cast<size_t>(layer.out_side()) * layer.out_side() * layer.out_c);
  std::vector<uint8_t> packed(kernel.packed_bytes(conv) + 1), scratch(kernel.scratch_bytes(conv) + 1);
  kernel.pack(conv, packed.data());
  conv.packed = packed.data();
  for (auto _ : state) {
    kernel.run(conv, input.data(), output.data(), 0, conv.geometry.out_h, scratch.data());
    benchmark::ClobberMemory();
  }
  state.SetLabel(kernel.name);
  count_macs(state, layer.macs());
}

void run_layer(benchmark::State& state, const KernelSet& kernels, const Layer& layer) {
  const std::vector<int8_t> input = random_bytes(static_cast<size_t>(layer.side) * layer.side * layer.in_c);
  const std::vector<int8_t> weights = random_weights(layer.weights());
  const std::vector<int8_t> shifts(static_cast<size_t>(layer.out_c), 9);
  const std::vector<int32_t> bias(static_cast<size_t>(layer.out_c), 1000);
  Conv8 conv{};
  conv.weights = weights.data();
  conv.bias = bias.data();
  conv.shifts = shifts.data();
  time_convolution(state, layer.depthwise ? kernels.depthwise8 : kernels.conv8, conv, layer, input);
}

void run_layer_16(benchmark::State& state, const KernelSet& kernels, const Layer& layer) {
  const auto widen = [](const std::vector<int8_t>& bytes) {
    std::vector<int16_t> values(bytes.begin(), bytes.end());
    for (int16_t& value : values) value = static_cast<int16_t>(value * 256);
    return values;
  };
  const std::vector<int16_t> input =
      widen(random_bytes(static_cast<size_t>(layer.side) * layer.side * layer.in_c));
  const std::vector<int16_t> weights = widen(random_weights(layer.weights()));
  const std::vector<int16_t> shifts(static_cast<size_t>(layer.out_c), 17);
  const std::vector<int64_t> bias(static_cast<size_t>(layer.out_c), 1000);
  Conv16 conv{};
  conv.weights = weights.data();
  conv.bias = bias.data();
  conv.shifts = shifts.data();
  time_convolution(state, kernels.conv16, conv, layer, input);
}

void run_onednn(benchmark::State& state, const Layer& layer) {
  OneDnnConvolution convolution(geometry_of(layer));
  for (auto _ : state) convolution.run();
  state.SetLabel(convolution.name());
  count_macs(state, layer.macs());
}

// Element-wise kernels on one activation of model.3 (409600 values).
constexpr size_t kElements = 80 * 80 * 64;

template <class Function>
void run_elements(benchmark::State& state, Function function) {
  const std::vector<int8_t> a = random_bytes(kElements), b(a.rbegin(), a.rend());
  std::vector<int8_t> output(kElements);
  for (auto _ : state) {
    function(a.data(), b.data(), output.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(kElements) * state.iterations());
}

void register_elements(const KernelSet& kernels) {
  using Bytes = const int8_t*;
  const KernelSet* set = &kernels;
  const auto add = [set](const char* name, auto function) {
    benchmark::RegisterBenchmark(fmt::format("{}/{}", name, set->isa).c_str(),
                                 [function](benchmark::State& state) { run_elements(state, function); });
  };
  add("lookup8", [set, table = random_bytes(256)](Bytes a, Bytes, int8_t* out) {
    set->lookup8(a, out, kElements, table.data());
  });
  add("add8", [set](Bytes a, Bytes b, int8_t* out) { set->add8(a, b, out, kElements); });
  add("mul8",
      [set](Bytes a, Bytes b, int8_t* out) { set->mul8(a, b, out, kElements, 7, Rounding::kHalfEven); });
  add("requantize8",
      [set](Bytes a, Bytes, int8_t* out) { set->requantize8(a, out, kElements, 1, Rounding::kHalfEven); });
  add("quantize8", [set, floats = std::vector<float>(kElements, 0.3f)](Bytes, Bytes, int8_t* out) {
    set->quantize8(floats.data(), out, kElements, 100, Rounding::kHalfEven);
  });
  // esp32s3's lanes: 16 sums over the elements as inputs, the same 576 taps again and again.
  add("lanes20", [set, weights = random_weights(576 * 16)](Bytes a, Bytes, int8_t*) {
    for (size_t i = 0; i + 576 <= kElements; i += 576) {
      int32_t sums[16] = {}, cut[16] = {};
      set->lanes20(a + i, weights.data(), 576, sums, cut);
      benchmark::DoNotOptimize(sums);
    }
  });
  add("maximum8", [set](Bytes a, Bytes b, int8_t* out) { set->maximum8(a, b, out, kElements); });
}

void register_all() {
  for (const Layer& layer : kLayers) {
    for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
      benchmark::RegisterBenchmark(
          fmt::format("conv8/{}/{}", layer.name, kernels->isa).c_str(),
          [kernels, &layer](benchmark::State& state) { run_layer(state, *kernels, layer); });
      benchmark::RegisterBenchmark(
          fmt::format("conv16/{}/{}", layer.name, kernels->isa).c_str(),
          [kernels, &layer](benchmark::State& state) { run_layer_16(state, *kernels, layer); });
    }
    benchmark::RegisterBenchmark(fmt::format("conv8/{}/oneDNN", layer.name).c_str(),
                                 [&layer](benchmark::State& state) { run_onednn(state, layer); });
  }
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) register_elements(*kernels);
}

}  // namespace
}  // namespace shrike::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  omp_set_num_threads(1);  // oneDNN would take all cores
  fmt::print(
      "clock {:.2f} GHz, multiply-add peak {:.1f} GMAC/s ({}), one thread\n", shrike::bench::clock_ghz(),
      shrike::bench::multiply_add_peak(shrike::best_kernels()->isa, 1).gmacs, shrike::best_kernels()->isa);
  shrike::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
