// Stand-in: the declarations of ESP-IDF's header that the component uses, so that it is compiled here.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MALLOC_CAP_8BIT (1 << 2)
#define MALLOC_CAP_SPIRAM (1 << 10)
#define MALLOC_CAP_INTERNAL (1 << 11)
extern "C" void* heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps);
