// Any bytes as settings and as a YOLO data.yaml: an Error that says something; settings that were read are
// written and read again without a change.
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/input_file.h"
#include "toolchain/data/yolo_set.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  static const fuzz::InputFile file, again;
  const std::string path = file.holding(data, size);
  fuzz::expect_words<Error>([&] {
    const std::string text = quantize::to_yaml(quantize::load_settings(path));
    const std::string copy = again.holding(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    SHRIKE_FUZZ_EXPECT(quantize::to_yaml(quantize::load_settings(copy)) == text, "another text: %s",
                       text.c_str());
  });
  fuzz::expect_words<Error>([&] { data::load_yolo_yaml(path); });
  return 0;
}
