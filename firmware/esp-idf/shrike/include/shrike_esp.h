// What a board with ESP-IDF adds to the device API: a model in a flash partition, an arena in PSRAM and fast
// memory in internal RAM.
#pragma once
#include <stddef.h>

#include "shrike/model.h"

namespace shrike::esp {

struct Bytes {
  const void* data = nullptr;  // null: there is no such partition, or it can't be mapped
  size_t size = 0;
};

// Maps a data partition into the address space, for as long as the program runs. The size is the partition's,
// which may be more than the file in it; the model reads its own length from its header.
Bytes map_partition(const char* label);

// 64-byte aligned memory from PSRAM, or from internal RAM when there is none; null when neither has that
// much.
void* allocate_arena(size_t bytes);
// The same from internal RAM only, for ModelOptions::internal; empty when there is not that much.
MemoryBlock allocate_internal(size_t bytes);

// Both cores for one model (ModelOptions::workers): the caller and a task pinned to the other core, of the
// caller's priority. To be called from the task that runs the model; always the same team. Null when there is
// no memory for a task, which a model takes as "no workers".
WorkerPool* start_workers();

}  // namespace shrike::esp
