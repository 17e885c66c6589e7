#include "shrike_esp.h"

#include "esp_heap_caps.h"
#include "esp_partition.h"

namespace shrike::esp {

constexpr size_t kAlignment = 64;

Bytes map_partition(const char* label) {
  const esp_partition_t* partition =
      esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_ANY, label);
  if (partition == nullptr) return {};
  const void* data = nullptr;
  esp_partition_mmap_handle_t handle;
  if (esp_partition_mmap(partition, 0, partition->size, ESP_PARTITION_MMAP_DATA, &data, &handle) != ESP_OK)
    return {};
  return {data, partition->size};
}

void* allocate_arena(size_t bytes) {
  void* memory = heap_caps_aligned_alloc(kAlignment, bytes, MALLOC_CAP_SPIRAM | MALLOC_CAP_8BIT);
  return memory != nullptr ? memory : heap_caps_aligned_alloc(kAlignment, bytes, MALLOC_CAP_8BIT);
}

MemoryBlock allocate_internal(size_t bytes) {
  void* memory = heap_caps_aligned_alloc(kAlignment, bytes, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
  return {memory, memory == nullptr ? 0 : bytes};
}

}  // namespace shrike::esp
