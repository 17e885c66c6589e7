// Well formed ONNX files that mean harm, every decision of which comes from the fuzzer's bytes (a first byte
// below 128), or any bytes as an ONNX file (the others): an Error that says something, or a sound graph.
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/input_file.h"
#include "tests/import/random_onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 128) {
    fuzz::ByteSource source(data + 1, size - 1);
    bytes = tests::RandomOnnx([&](int64_t limit) { return source.byte() % limit; }).bytes();
  }
  fuzz::expect_words<Error>([&] { tests::import_and_pass(bytes); });
  return 0;
}
