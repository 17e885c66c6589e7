// The import and the passes behind it make of any well formed file (random_onnx.h) either a sound graph or an
// Error in words of this program.
#include <gmock/gmock.h>

#include <random>

#include "tests/import/random_onnx.h"

namespace shrike::graph {
namespace {

using tests::RandomOnnx;

TEST(RandomGraphs, EndInAGraphOrInWords) {
  int sound = 0;
  for (uint32_t seed = 0; seed < 10'000; ++seed) {
    std::mt19937 random(seed);
    const std::string bytes = RandomOnnx([&](int64_t limit) {
                                return static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
                              }).bytes();
    try {
      tests::import_and_pass(bytes);
      ++sound;
    } catch (const Error& error) {
      const std::string text = error.what();
      for (const char* library :
           {"map::at", "vector::", "_M_range", "basic_string", "bad_", "json", "enforce"})
        EXPECT_EQ(text.find(library), std::string::npos) << seed << ": " << text;
    } catch (const std::exception& other) {
      ADD_FAILURE() << "seed " << seed << ": " << other.what();
    }
  }
  EXPECT_GT(sound, 50);
}

}  // namespace
}  // namespace shrike::graph
