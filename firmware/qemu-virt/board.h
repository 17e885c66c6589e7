// What the programs need from the board.
#pragma once
#include <stdint.h>

namespace board {

// Locks code, constants, model and pictures against writing: a store there ends the program with a trap.
void protect_read_only_memory();

// Instructions retired since reset. QEMU counts them exactly when started with -icount.
uint64_t instructions();

// Fills the unused part of the stack with a pattern; stack_used() then says how deep it has been since.
void paint_stack();
uint32_t stack_used();

}  // namespace board
