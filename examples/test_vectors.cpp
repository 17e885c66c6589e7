// Runs the inputs that .espdl files have embedded and compares with the outputs embedded beside them: with
// the runtime alone, on any machine that it is compiled for. Prints for every file how many values differ and
// the SHA-256 of every output, so that two machines can be compared line by line.
//   test_vectors [--isa NAME] [--target CHIP] FILE...
// Exit status: 0 when nothing differs, 1 when something does or a file can't be run, 2 for a wrong command
// line.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "chips/chip.h"
#include "kernels/kernels.h"
#include "shrike/inspect.h"
#include "shrike/sha256.h"

namespace {

using shrike::TensorView;

// spec/numerics.md 10: Softmax results are floats that a simulation wrote.
constexpr float kFloatTolerance = 2e-6f;

// Memory that begins at a multiple of 64 bytes.
class Aligned {
 public:
  explicit Aligned(size_t bytes) : memory_(bytes + 63), bytes_(bytes) {}
  uint8_t* data() { return memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64; }
  size_t bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> memory_;
  size_t bytes_;
};

bool read_whole(const char* path, std::vector<uint8_t>* bytes) {
  FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  uint8_t buffer[65536];
  for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    bytes->insert(bytes->end(), buffer, buffer + got);
  const bool complete = std::ferror(file) == 0;
  std::fclose(file);
  return complete;
}

TensorView variable(const shrike::InspectableModel& model, shrike::Text name) {
  for (int32_t i = 0; i < model.variable_count(); ++i) {
    const TensorView view = model.variable(i);
    if (view.name == name) return view;
  }
  return {};
}

bool equal_floats(float a, float b) {
  return a == b || std::fabs(a - b) <= kFloatTolerance || (std::isnan(a) && std::isnan(b));
}

// Values of `got` that are not those of `expected`; all of them where type, shape or exponent are others.
uint64_t differing(const TensorView& expected, const TensorView& got) {
  const uint64_t count = static_cast<uint64_t>(expected.shape.elements());
  if (expected.type != got.type || !(expected.shape == got.shape) || expected.exponent != got.exponent)
    return count;
  const size_t size = count == 0 ? 0 : static_cast<size_t>(expected.bytes / count);
  const uint8_t* a = static_cast<const uint8_t*>(expected.data);
  const uint8_t* b = static_cast<const uint8_t*>(got.data);
  uint64_t different = 0;
  for (uint64_t i = 0; i < count; ++i, a += size, b += size) {
    if (expected.type == shrike::DataType::kFloat32) {
      float x, y;
      std::memcpy(&x, a, sizeof x);
      std::memcpy(&y, b, sizeof y);
      different += !equal_floats(x, y);
    } else {
      different += std::memcmp(a, b, size) != 0;
    }
  }
  return different;
}

// What stopped the run, or null.
const char* run(const char* path, const shrike::ModelOptions& options, uint64_t* different) {
  std::vector<uint8_t> bytes;
  if (!read_whole(path, &bytes)) return "can't be read";
  Aligned file(bytes.size());
  if (!bytes.empty()) std::memcpy(file.data(), bytes.data(), bytes.size());
  shrike::InspectableModel model;
  // Refused memory says how much would be enough, first as an estimate.
  Aligned arena(1 << 16);
  shrike::Status status = model.load(file.data(), file.bytes(), arena.data(), arena.bytes(), options);
  for (int tries = 0; status.code == shrike::StatusCode::kArenaTooSmall && tries < 3; ++tries) {
    arena = Aligned(static_cast<size_t>(status.needed));
    status = model.load(file.data(), file.bytes(), arena.data(), arena.bytes(), options);
  }
  if (!status.ok()) return status.detail;
  if (model.test_input_count() != model.input_count() || model.test_output_count() == 0)
    return "holds no complete test";
  for (int32_t i = 0; i < model.test_input_count(); ++i) {
    const TensorView from = model.test_input(i), to = variable(model, from.name);
    if (from.bytes != to.bytes) return "has a test input of another size than the network's";
    std::memcpy(to.data, from.data, static_cast<size_t>(from.bytes));
  }
  status = model.run();
  if (!status.ok()) return status.detail;
  for (int32_t i = 0; i < model.test_output_count(); ++i) {
    const TensorView expected = model.test_output(i);
    *different += differing(expected, variable(model, expected.name));
  }
  for (int32_t i = 0; i < model.output_count(); ++i) {
    const TensorView output = model.output(i);
    std::printf("  %s %.*s\n", shrike::sha256_text(output.data, static_cast<size_t>(output.bytes)).digits,
                static_cast<int>(output.name.size), output.name.data);
  }
  return nullptr;
}

int usage() {
  std::fprintf(stderr, "usage: test_vectors [--isa NAME] [--target CHIP] FILE...\nkernels of this machine:");
  for (int i = 0; const shrike::KernelSet* kernels = shrike::available_kernels(i); ++i)
    std::fprintf(stderr, " %s", kernels->isa);
  std::fprintf(stderr, "\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  shrike::ModelOptions options;
  options.operators = &shrike::kAllOperators;
  options.kernels = shrike::best_kernels();
  options.keep = shrike::KeepTensors::kAll;
  int at = 1;
  for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
    if (std::strcmp(argv[at], "--isa") == 0) {
      options.kernels = shrike::kernels_by_name(argv[at + 1]);
      if (options.kernels == nullptr) return usage();
    } else if (std::strcmp(argv[at], "--target") == 0) {
      const shrike::Chip* chip = shrike::find_chip(argv[at + 1]);
      if (chip == nullptr) return usage();
      options.target = chip->target;
    } else {
      return usage();
    }
  }
  if (at >= argc || argv[at][0] == '-') return usage();
  bool failed = false;
  for (; at < argc; ++at) {
    std::printf("%s\n", argv[at]);
    uint64_t different = 0;
    const char* problem = run(argv[at], options, &different);
    if (problem != nullptr) {
      std::printf("  FAILED: %s\n", problem);
    } else {
      std::printf("  %llu values differ from the embedded ones\n",
                  static_cast<unsigned long long>(different));
    }
    failed = failed || problem != nullptr || different != 0;
  }
  return failed ? 1 : 0;
}
