// After load() the runtime allocates nothing, and load() itself works in the arena alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "shrike/model.h"
#include "tests/runtime/model_file.h"
#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/files.h"

#if !defined(__SANITIZE_ADDRESS__)
namespace {
std::atomic<uint64_t> allocations{0};
}

// Every way to the heap of this program ends here.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, bytes);
}
}

namespace shrike::tests {
namespace {

TEST(NoHeapTest, TheCounterCounts) {
  const uint64_t before = allocations.load();
  std::vector<int>* volatile vector = new std::vector<int>(100);
  delete vector;
  EXPECT_GE(allocations.load(), before + 2);
}

TEST(NoHeapTest, LoadingAndRunningStayInTheArena) {
  const std::string path = "golden/zoo/models/esp32p4_pedestrian_detect_pico_s8_v1.espdl";
  SHRIKE_NEEDS_SHARED(path);
  AlignedBytes file(read_file(shared_root() + "/" + path));
  AlignedBytes arena(std::vector<uint8_t>(8 << 20));
  Model model;
  ModelOptions options;
  options.operators = &kAllOperators;
  options.kernels = &kPortableKernels;
  const uint64_t before = allocations.load();
  const Status loaded = model.load(file.data(), file.size(), arena.data(), arena.size(), options);
  const Status ran = loaded.ok() ? model.run() : loaded;
  const uint64_t after = allocations.load();
  ASSERT_TRUE(ran.ok()) << ran.detail;
  EXPECT_EQ(after, before);
}

TEST(NoHeapTest, TheHostedModelRunsWithoutAllocating) {
  const std::string path = "golden/zoo/models/esp32s3_espdet_pico_224_224_cat.espdl";
  SHRIKE_NEEDS_SHARED(path);
  host::IntegerOptions options;
  options.threads = 2;
  options.target = "esp32s3";
  host::IntegerModel model = host::IntegerModel::open(shared_root() + "/" + path, options);
  model.run();
  const uint64_t before = allocations.load();
  for (int i = 0; i < 3; ++i) model.run();
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace shrike::tests
#endif
