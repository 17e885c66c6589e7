// The memory of LibTorch's tensors.
#pragma once

namespace shrike::engine {

// From now on large blocks that are freed are kept for the next tensor of the same size: every image makes
// the same tensors. The C library gives them back to the system, which costs page faults, or can't use their
// place again: aligned blocks are cut out of larger ones (glibc before 2.38), so that the heap grows with
// every image.
void keep_memory_of_tensors();
// Frees what is kept.
void free_memory_of_tensors();

}  // namespace shrike::engine
