// Any bytes as a model file: loading refuses them or gives a model that runs within its memory, and then
// every instruction set computes the same.
#include "kernels/kernels.h"
#include "tests/fuzz/session.h"
#include "tests/runtime/model_file.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

constexpr size_t kHeader = 16;
constexpr uint64_t kMostWork = 300'000;  // keeps one input within milliseconds under the sanitizers

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  tests::AlignedBytes file(data, size);
  // The last word of an EDL2 header means nothing to the runtime: it chooses the options here.
  const uint8_t choice = size >= kHeader ? data[12] : uint8_t{0};
  ModelOptions options;
  options.operators = &kAllOperators;
  options.target = static_cast<Target>(choice % 3);
  options.force_target = true;  // whatever the file says
  options.accumulators = (choice & 4) != 0 ? Accumulators::kWide : Accumulators::kExactChip;
  options.keep = (choice & 8) != 0 ? KeepTensors::kAll : KeepTensors::kReuseMemory;
  options.kernels = &kPortableKernels;
  fuzz::Session plain(file.data(), size, options, fuzz::plain_arena, 0);
  if (!plain.status().ok()) {
    SHRIKE_FUZZ_EXPECT(plain.status().detail[0] != '\0', "a refusal says nothing");
    SHRIKE_FUZZ_EXPECT(!plain.model().run().ok(), "a refused model runs");
    return 0;
  }
  if (plain.work() > kMostWork) return 0;
  plain.run(choice);
  fuzz::BackwardsPool pool;
  options.kernels = best_kernels();
  options.workers = &pool;
  fuzz::Session fast(file.data(), size, options, fuzz::fast_arena, 0xa5);
  if (fast.status().code == StatusCode::kArenaTooSmall) return 0;  // packed weights need more
  SHRIKE_FUZZ_EXPECT(fast.status().ok(), "only %s refuses: %s", options.kernels->isa, fast.status().detail);
  fast.run(choice);
  fuzz::expect_equal_outputs(plain.model(), fast.model(), options.kernels->isa);
  return 0;
}

// Mostly keeps the header sound, so that changes reach the payload's verification.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < kHeader || seed % 16 == 0) return size;
  const uint32_t payload = static_cast<uint32_t>(size - kHeader);
  std::memcpy(data, "EDL2\0\0\0\0", 8);
  std::memcpy(data + 8, &payload, 4);
  return size;
}
