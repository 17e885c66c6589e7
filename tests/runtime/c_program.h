/* What the C half of c_api_test.cpp found. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "shrike/shrike.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  shrike_status load, picture, run, detect;
  shrike_size_report sizes;
  const char* chip;
  int32_t count;
  shrike_detection first;
  uint32_t output_sum; /* of the bytes of output 0 */
} c_result;

/* Loads, fills input 0 from a grey picture of 32x32 pixels, runs, sums output 0 and decodes boxes. */
c_result c_walk(const void* file, size_t file_bytes, void* arena, size_t arena_bytes, const char* chip);

#ifdef __cplusplus
}
#endif
