/* Runs the model file that is named, feeds it a ramp and prints the sum of its first output's bytes. */
#include <stdint.h>
#include <stdio.h>

#include "shrike/shrike.h"

#define BYTES (1 << 20)
static _Alignas(64) uint8_t file[BYTES], arena[BYTES];

int main(int count, char** arguments) {
  shrike_options options = {0};
  shrike_model model;
  shrike_tensor input, output;
  FILE* stream = count == 2 ? fopen(arguments[1], "rb") : NULL;
  size_t bytes, i;
  long sum = 0;

  if (stream == NULL) return 2;
  bytes = fread(file, 1, sizeof file, stream);
  fclose(stream);
  options.operators = shrike_all_operators;
  options.kernels = shrike_portable_kernels;
  options.arena = arena;
  options.arena_bytes = sizeof arena;
  if (shrike_load(&model, file, bytes, &options).code != SHRIKE_OK) return 1;
  input = shrike_input(&model, 0);
  for (i = 0; i < input.bytes; ++i) ((uint8_t*)input.data)[i] = (uint8_t)(i % 50);
  if (shrike_run(&model).code != SHRIKE_OK) return 1;
  output = shrike_output(&model, 0);
  for (i = 0; i < output.bytes; ++i) sum += ((const uint8_t*)output.data)[i];
  printf("%d outputs, sum %ld\n", (int)shrike_sizes(&model).outputs, sum);
  return 0;
}
