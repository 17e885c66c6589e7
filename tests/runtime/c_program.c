/* A C program's walk through the device API: everything of shrike/shrike.h that it names is C. */
#include "tests/runtime/c_program.h"

#include <string.h>

c_result c_walk(const void* file, size_t file_bytes, void* arena, size_t arena_bytes, const char* chip) {
  static uint8_t pixels[32 * 32], scratch[16384];
  c_result result;
  shrike_model model;
  shrike_options options;
  shrike_image image = {pixels, 32, 32, SHRIKE_GRAY8};
  shrike_placement placement;
  shrike_tensor output;
  uint64_t i;

  memset(&result, 0, sizeof result);
  memset(&options, 0, sizeof options);
  options.operators = shrike_all_operators;
  options.kernels = shrike_pair_kernels;
  options.arena = arena;
  options.arena_bytes = arena_bytes;
  options.chip = chip;
  result.load = shrike_load(&model, file, file_bytes, &options);
  if (result.load.code != SHRIKE_OK) return result;
  result.sizes = shrike_sizes(&model);
  result.chip = shrike_chip(&model);
  for (i = 0; i < sizeof pixels; ++i) pixels[i] = (uint8_t)(7 * i);
  result.picture = shrike_picture(&model, &image, &placement);
  result.run = shrike_run(&model);
  output = shrike_output(&model, 0);
  for (i = 0; i < output.bytes; ++i) result.output_sum += ((const uint8_t*)output.data)[i];
  result.count = 1;
  result.detect =
      shrike_detect(&model, shrike_all_heads, &placement, NULL, scratch, sizeof scratch, &result.first, &result.count);
  return result;
}
