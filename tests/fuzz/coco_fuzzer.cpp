// Any bytes as COCO annotations: an Error that says something, or a set whose annotations all belong to a
// picture and a category of it.
#include <algorithm>

#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/input_file.h"
#include "toolchain/evaluate/coco.h"
#include "toolchain/support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  static const fuzz::InputFile file;
  fuzz::expect_words<Error>([&] {
    const evaluate::Dataset set = evaluate::load_coco(file.holding(data, size));
    for (const evaluate::GroundTruth& truth : set.annotations) {
      const bool known = std::any_of(set.images.begin(), set.images.end(),
                                     [&](const auto& image) { return image.id == truth.image_id; });
      SHRIKE_FUZZ_EXPECT(known, "an annotation of no picture");
    }
  });
  return 0;
}
