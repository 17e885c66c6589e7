#include "qemu-virt/board.h"

#include <stdio.h>
#include <stdlib.h>

extern "C" {
extern uint8_t __flash[], __flash_size[], __stack[], __stack_size[];
__attribute__((interrupt, aligned(4))) void board_trap();
}

void board_trap() {
  uint32_t cause, pc, address;
  asm volatile("csrr %0, mcause" : "=r"(cause));
  asm volatile("csrr %0, mepc" : "=r"(pc));
  asm volatile("csrr %0, mtval" : "=r"(address));
  printf("trap cause %lu pc 0x%08lx address 0x%08lx\n", static_cast<unsigned long>(cause),
         static_cast<unsigned long>(pc), static_cast<unsigned long>(address));
  _Exit(1);
}

namespace board {
namespace {

constexpr uint32_t kPattern = 0x5ca1ab1e;
constexpr uintptr_t kUntouched = 256;  // below the stack pointer: frames of the painting itself

uint32_t* stack_bottom() {
  return reinterpret_cast<uint32_t*>(reinterpret_cast<uintptr_t>(__stack) -
                                     reinterpret_cast<uintptr_t>(__stack_size));
}

}  // namespace

void protect_read_only_memory() {
  asm volatile("csrw mtvec, %0" : : "r"(&board_trap));
  // One naturally aligned power-of-two region: locked (holds in machine mode too), readable, executable.
  const uint32_t begin = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__flash));
  const uint32_t size = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__flash_size));
  constexpr uint32_t kLockedNapotReadExecute = 0x80 | 0x18 | 0x04 | 0x01;
  asm volatile("csrw pmpaddr0, %0" : : "r"((begin >> 2) | ((size >> 3) - 1)));
  asm volatile("csrw pmpcfg0, %0" : : "r"(kLockedNapotReadExecute));
}

uint64_t instructions() {
  uint32_t high, low, again;
  do {
    asm volatile("csrr %0, minstreth" : "=r"(high));
    asm volatile("csrr %0, minstret" : "=r"(low));
    asm volatile("csrr %0, minstreth" : "=r"(again));
  } while (high != again);
  return static_cast<uint64_t>(high) << 32 | low;
}

void paint_stack() {
  uintptr_t sp;
  asm volatile("mv %0, sp" : "=r"(sp));
  for (volatile uint32_t* word = stack_bottom(); reinterpret_cast<uintptr_t>(word) < sp - kUntouched;
       ++word) {
    *word = kPattern;
  }
}

uint32_t stack_used() {
  const uint32_t* word = stack_bottom();
  while (*word == kPattern) ++word;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__stack) - reinterpret_cast<uintptr_t>(word));
}

}  // namespace board
