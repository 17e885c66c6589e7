// Prints what every decoder of a head makes of generated numbers, to be compared with a PC's.
#include "qemu-virt/board.h"
#include "qemu-virt/head_cases.h"

int main() {
  board::protect_read_only_memory();
  head_cases::decode_all([](const char* line) { printf("%s\n", line); });
  return 0;
}
