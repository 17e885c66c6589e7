// Runs the test vectors embedded in many `.espdl` files. Reads `vectors.list` from the host's working folder
// through semihosting: one "TARGET PATH" a line. Prints a line a file and exits with 0 when all of them
// passed.
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chips/chip.h"
#include "qemu-virt/board.h"
#include "shrike/inspect.h"
#include "shrike/sha256.h"

namespace {

using shrike::TensorView;

// spec/numerics.md 10: Softmax results are floats that a simulation wrote.
constexpr float kFloatTolerance = 2e-6f;

alignas(64) uint8_t file[16 << 20];
alignas(64) uint8_t arena[32 << 20];
char list[64 << 10];

// Bytes read, or 0.
size_t read_whole(const char* path, void* memory, size_t capacity) {
  const int handle = open(path, O_RDONLY);
  if (handle < 0) return 0;
  size_t size = 0;
  while (size < capacity) {
    const ssize_t got = read(handle, static_cast<uint8_t*>(memory) + size, capacity - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  close(handle);
  return size;
}

bool equal_floats(const TensorView& expected, const TensorView& got) {
  const float* a = static_cast<const float*>(expected.data);
  const float* b = static_cast<const float*>(got.data);
  for (uint64_t i = 0; i < expected.bytes / sizeof(float); ++i) {
    const bool both_nan = a[i] != a[i] && b[i] != b[i];
    if (!both_nan && !(fabsf(a[i] - b[i]) <= kFloatTolerance) && a[i] != b[i]) return false;
  }
  return true;
}

bool equal(const TensorView& expected, const TensorView& got) {
  if (expected.type != got.type || !(expected.shape == got.shape) || expected.exponent != got.exponent)
    return false;
  if (expected.type == shrike::DataType::kFloat32) return equal_floats(expected, got);
  return memcmp(expected.data, got.data, static_cast<size_t>(expected.bytes)) == 0;
}

TensorView variable(const shrike::InspectableModel& model, shrike::Text name) {
  for (int32_t i = 0; i < model.variable_count(); ++i) {
    const TensorView view = model.variable(i);
    if (view.name == name) return view;
  }
  return {};
}

// Null when every embedded output came out, else what went wrong.
const char* run(shrike::InspectableModel& model, size_t bytes, shrike::Target target) {
  shrike::ModelOptions options;
  options.operators = &shrike::kAllOperators;
  options.kernels = &shrike::kPortableKernels;
  options.target = target;
  options.keep = shrike::KeepTensors::kAll;
  shrike::Status status = model.load(file, bytes, arena, sizeof arena, options);
  if (!status.ok()) return status.detail;
  if (model.test_input_count() != model.input_count() || model.test_output_count() == 0)
    return "no complete test vector";
  for (int32_t i = 0; i < model.test_input_count(); ++i) {
    const TensorView from = model.test_input(i), to = variable(model, from.name);
    if (from.bytes != to.bytes) return "a test input does not fit";
    memcpy(to.data, from.data, static_cast<size_t>(from.bytes));
  }
  status = model.run();
  if (!status.ok()) return status.detail;
  for (int32_t i = 0; i < model.test_output_count(); ++i) {
    const TensorView expected = model.test_output(i);
    if (!equal(expected, variable(model, expected.name))) return "an output differs";
  }
  return nullptr;
}

bool run_line(char* line) {
  char* path = strchr(line, ' ');
  if (path == nullptr) return false;
  *path++ = '\0';
  const shrike::Chip* chip = shrike::find_chip(line);
  shrike::InspectableModel model;
  const size_t bytes = read_whole(path, file, sizeof file);
  const char* problem = chip == nullptr ? "no such chip"
                        : bytes == 0    ? "can't be read"
                                        : run(model, bytes, chip->target);
  printf("%s %s", problem == nullptr ? "pass" : "FAIL", path);
  if (problem != nullptr) printf(": %s", problem);
  printf("\n");
  if (problem != nullptr) return false;
  for (int32_t i = 0; i < model.output_count(); ++i) {
    const TensorView output = model.output(i);
    printf("output %s %.*s\n", shrike::sha256_text(output.data, static_cast<size_t>(output.bytes)).digits,
           static_cast<int>(output.name.size), output.name.data);
  }
  return true;
}

}  // namespace

int main() {
  board::protect_read_only_memory();
  const size_t size = read_whole("vectors.list", list, sizeof list - 1);
  list[size] = '\0';
  int files = 0, failed = 0;
  for (char* line = strtok(list, "\n"); line != nullptr; line = strtok(nullptr, "\n")) {
    ++files;
    if (!run_line(line)) ++failed;
  }
  printf("vectors %d files, %d failed\n", files, failed);
  return files > 0 && failed == 0 ? 0 : 1;
}
