// Any bytes as a JPEG or PNG picture or a .npy array: an Error that says something, or as many pixels as the
// picture says it has. The limits are small, so that one input takes milliseconds.
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/input_file.h"
#include "toolchain/data/decode.h"
#include "toolchain/data/npy.h"
#include "toolchain/support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  static const bool limited = [] {
    data::set_picture_limits({.pixels = 1 << 16, .scans = 20});
    return true;
  }();
  SHRIKE_FUZZ_EXPECT(limited, "no limits");
  const std::vector<uint8_t> bytes(data, data + size);
  fuzz::expect_words<Error>([&] {
    if (size > 0 && data[0] == 0x93) {
      const data::NpyArray array = data::parse_npy(bytes, "fuzz");
      int64_t count = 1;
      for (const int64_t dim : array.shape) count *= dim;
      SHRIKE_FUZZ_EXPECT(static_cast<size_t>(count) == array.values.size(), "values do not fill the shape");
      return;
    }
    const data::Image image =
        size > 0 && data[0] == 0xff ? data::decode_jpeg(bytes, "fuzz") : data::decode_png(bytes, "fuzz");
    SHRIKE_FUZZ_EXPECT(image.width > 0 && image.height > 0, "a picture without pixels");
    SHRIKE_FUZZ_EXPECT(image.pixels.size() ==
                           size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height),
                       "pixels do not fill the picture");
  });
  return 0;
}
