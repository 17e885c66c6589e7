// Prints of a model what a board prints (esp-idf/shrike/include/shrike_check.h), for `shrike check-board`.
// Reads `check.list` from the host's working folder through semihosting: the path of an .espdl file, and in a
// second line, if there is one, the node whose values are to be printed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu-virt/board.h"
#include "shrike_check.h"

namespace {

alignas(64) uint8_t file[16 << 20];
alignas(64) uint8_t arena[32 << 20];
char list[4096];

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

int failed(const char* step, const shrike::Status& status) {
  printf("error %s: %s\n", step, status.detail);
  return 1;
}

}  // namespace

int main() {
  board::protect_read_only_memory();
  list[read_whole("check.list", list, sizeof list - 1)] = '\0';
  const char* path = strtok(list, "\n");
  const char* node = strtok(nullptr, "\n");
  const size_t bytes = path == nullptr ? 0 : read_whole(path, file, sizeof file);
  shrike::InspectableModel model;
  shrike::ModelOptions options;
  options.operators = &shrike::kAllOperators;
  options.kernels = &shrike::kPairKernels;
  shrike::Status status = model.load(file, bytes, arena, sizeof arena, options);
  if (!status.ok()) return failed("load", status);
  shrike::esp::CheckOptions check;
  if (node != nullptr) check.shown_node = atoi(node);
  status = shrike::esp::print_check(model, file, bytes, check);
  return status.ok() ? 0 : failed("run", status);
}
