// Portable kernels against every instruction set of this machine: convolutions and element-wise kernels
// called directly, and whole random graphs through the model.
#include "kernels/kernels.h"
#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/session.h"
#include "tests/kernels/reference.h"

namespace shrike::fuzz {
namespace {

void expect_same(const std::vector<int8_t>& expected, const std::vector<int8_t>& actual, const char* what,
                 const char* isa) {
  SHRIKE_FUZZ_EXPECT(expected.size() == actual.size(), "%s: %s", what, isa);
  for (size_t i = 0; i < expected.size(); ++i) {
    SHRIKE_FUZZ_EXPECT(expected[i] == actual[i], "%s: element %zu is %d, not %d (%s)", what, i, actual[i],
                       expected[i], isa);
  }
}

ConvGeometry read_geometry(ByteSource& source) {
  ConvGeometry g{};
  g.depthwise = source.flag();
  g.in_h = source.between(1, 14);
  g.in_w = source.between(1, 40);
  g.in_c = source.between(1, 70);
  g.out_c = g.depthwise ? g.in_c : source.between(1, 70);
  g.kernel_h = source.between(1, 5);
  g.kernel_w = source.between(1, 5);
  g.stride_h = source.between(1, 3);
  g.stride_w = source.between(1, 3);
  g.dilation_h = source.between(1, 3);
  g.dilation_w = source.between(1, 3);
  g.pad_top = source.between(0, 5);
  g.pad_left = source.between(0, 5);
  const int rows = g.in_h + g.pad_top + source.between(0, 5) - (g.kernel_h - 1) * g.dilation_h - 1;
  const int columns = g.in_w + g.pad_left + source.between(0, 5) - (g.kernel_w - 1) * g.dilation_w - 1;
  g.out_h = rows < 0 ? 0 : rows / g.stride_h + 1;
  g.out_w = columns < 0 ? 0 : columns / g.stride_w + 1;
  return g;
}

void fuzz_convolution(ByteSource& source) {
  tests::ConvCase test;
  test.geometry = read_geometry(source);
  const ConvGeometry& g = test.geometry;
  if (g.out_h < 1 || g.out_w < 1) return;
  const size_t filter = static_cast<size_t>(g.out_c) * static_cast<size_t>(test.taps());
  if (static_cast<size_t>(g.out_h) * static_cast<size_t>(g.out_w) * filter > 400'000) return;
  test.layout = source.flag() ? WeightLayout::kPlain : WeightLayout::kBlocked;
  test.rounding = source.flag() ? Rounding::kHalfUp : Rounding::kHalfEven;
  test.relu = source.flag();
  test.input =
      source.int8s(static_cast<size_t>(g.in_h) * static_cast<size_t>(g.in_w) * static_cast<size_t>(g.in_c));
  test.logical = source.int8s(filter);
  test.store_weights();
  const bool uniform = source.flag();
  const int shift = source.between(0, 30);
  for (int n = 0; n < g.out_c; ++n)
    test.shifts.push_back(static_cast<int8_t>(uniform ? shift : (shift + 7 * n) % 31));
  if (source.flag()) {
    const int scale = source.between(0, 21);  // sums stay below 2^30, as operators see to
    for (const int8_t value : source.int8s(static_cast<size_t>(g.out_c)))
      test.bias.push_back(value * (1 << scale));
  }
  const int cut = source.between(0, g.out_h - 1);
  const std::vector<int8_t> expected = tests::reference_conv(test);
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    const std::vector<int8_t> output = tests::run_conv(*kernels, test, cut);
    if (i > 0 && output.empty()) continue;  // the kernel does not take the geometry
    expect_same(expected, output, "convolution", kernels->isa);
  }
}

void fuzz_elementwise(ByteSource& source) {
  const size_t count = static_cast<size_t>(source.byte()) * 2 + static_cast<size_t>(source.between(0, 1));
  const std::vector<int8_t> a = source.int8s(count), b = source.int8s(count), table = source.int8s(256);
  const int kind = source.between(0, 4), right = source.between(0, 30), any = source.between(-30, 30);
  const Rounding rounding = source.flag() ? Rounding::kHalfUp : Rounding::kHalfEven;
  const bool in_place = source.flag();
  std::vector<int8_t> expected;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    std::vector<int8_t> output = a;
    const int8_t* first = in_place ? output.data() : a.data();
    switch (kind) {
      case 0:
        kernels->lookup8(first, output.data(), count, table.data());
        break;
      case 1:
        kernels->add8(first, b.data(), output.data(), count);
        break;
      case 2:
        kernels->mul8(first, b.data(), output.data(), count, right, rounding);
        break;
      case 3:
        kernels->requantize8(first, output.data(), count, any, rounding);
        break;
      default:
        kernels->maximum8(first, b.data(), output.data(), count);
    }
    if (i == 0) expected = output;
    expect_same(expected, output, "element-wise", kernels->isa);
  }
}

void fuzz_graph(ByteSource& source) {
  ModelOptions options;
  options.operators = &kAllOperators;
  options.target = static_cast<Target>(source.between(0, 2));
  options.accumulators = source.flag() ? Accumulators::kWide : Accumulators::kExactChip;
  const unsigned seed = source.byte();
  const std::vector<uint8_t> bytes = RandomGraph(source, options.target).bytes();
  tests::AlignedBytes file(bytes);
  options.kernels = &kPortableKernels;
  options.keep = KeepTensors::kAll;
  Session plain(file.data(), file.size(), options, plain_arena, 0);
  if (plain.status().code == StatusCode::kArenaTooSmall) return;
  SHRIKE_FUZZ_EXPECT(plain.status().ok(), "node %d of a valid graph is refused: %s", plain.status().node,
                     plain.status().detail);
  if (plain.work() > 1'000'000) return;
  plain.run(seed);
  BackwardsPool pool;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    options.kernels = kernels;
    options.keep = i % 2 == 0 ? KeepTensors::kReuseMemory : KeepTensors::kAll;
    options.workers = kernels == best_kernels() ? &pool : nullptr;
    Session fast(file.data(), file.size(), options, fast_arena, 0xa5);
    if (fast.status().code == StatusCode::kArenaTooSmall) continue;  // packed weights need more
    SHRIKE_FUZZ_EXPECT(fast.status().ok(), "only %s refuses: %s", kernels->isa, fast.status().detail);
    fast.run(seed);
    expect_equal_outputs(plain.model(), fast.model(), kernels->isa);
    SHRIKE_FUZZ_EXPECT(plain.model().saturated_accumulators() == fast.model().saturated_accumulators() &&
                           plain.model().saturated_multiply_adds() == fast.model().saturated_multiply_adds(),
                       "saturated accumulators are counted differently (%s)", kernels->isa);
  }
}

}  // namespace
}  // namespace shrike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shrike::fuzz::ByteSource source(data, size);
  switch (source.between(0, 3)) {
    case 0:
      shrike::fuzz::fuzz_convolution(source);
      break;
    case 1:
      shrike::fuzz::fuzz_elementwise(source);
      break;
    default:
      shrike::fuzz::fuzz_graph(source);
  }
  return 0;
}
