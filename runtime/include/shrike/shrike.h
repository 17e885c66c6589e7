/* The device API in C: load an `.espdl` file, give it a picture or raw integers, run it, read outputs or
 * boxes.
 *
 *   static _Alignas(16) unsigned char arena[1200000];
 *   shrike_model model;
 *   shrike_options options = {0};
 *   options.operators = shrike_all_operators;
 *   options.kernels = shrike_portable_kernels;
 *   options.arena = arena;
 *   options.arena_bytes = sizeof arena;
 *   shrike_status status = shrike_load(&model, file, file_bytes, &options);
 *   if (status.code == SHRIKE_OK) status = shrike_run(&model);
 *
 * The rules are those of shrike/model.h: nothing is allocated; the file (16-byte aligned) and the memory
 * given outlive the model; every byte of the file is checked by shrike_load, and the calls after it trust
 * what that accepted. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order of shrike::StatusCode. */
enum {
  SHRIKE_OK = 0,
  SHRIKE_BAD_ARGUMENT,
  SHRIKE_TRUNCATED,
  SHRIKE_BAD_MAGIC,
  SHRIKE_ENCRYPTED,
  SHRIKE_CORRUPT,
  SHRIKE_UNSUPPORTED_OPERATOR,
  SHRIKE_UNSUPPORTED_TYPE,
  SHRIKE_BAD_ATTRIBUTE,
  SHRIKE_BAD_SHAPE,
  SHRIKE_BAD_EXPONENT,
  SHRIKE_UNKNOWN_TENSOR,
  SHRIKE_DUPLICATE_TENSOR,
  SHRIKE_ARENA_TOO_SMALL, /* `needed` bytes are enough */
  SHRIKE_NOT_FOUND,
  SHRIKE_WRONG_TARGET
};

typedef struct {
  int32_t code;       /* SHRIKE_OK or what went wrong */
  int32_t node;       /* index in file order, -1: none */
  uint32_t offset;    /* byte of the file, 0: none */
  uint64_t needed;    /* bytes, with SHRIKE_ARENA_TOO_SMALL */
  const char* detail; /* a static phrase, never null */
} shrike_status;

/* Sets of operators, of inner loops and of decoders of heads. Naming one links it. "shrike info --ops FILE"
 * writes a source that defines shrike_model_operators and shrike_model_heads with what one file needs. */
typedef struct shrike_operator_set shrike_operator_set;
typedef struct shrike_kernel_set shrike_kernel_set;
typedef struct shrike_head_set shrike_head_set;
extern const shrike_operator_set* const shrike_all_operators;
extern const shrike_operator_set* const shrike_model_operators;
extern const shrike_kernel_set* const shrike_portable_kernels; /* for any machine */
extern const shrike_kernel_set* const shrike_pair_kernels;     /* for 32-bit cores without vectors */
extern const shrike_head_set* const shrike_all_heads;
extern const shrike_head_set* const shrike_model_heads;

typedef struct {
  const shrike_operator_set* operators; /* required */
  const shrike_kernel_set* kernels;     /* required */
  void* arena;                          /* 16-byte aligned */
  size_t arena_bytes;
  void* internal; /* fast memory for activations, 16-byte aligned; null: none */
  size_t internal_bytes;
  const char* chip; /* null: the one that the file names */
  int force_chip;   /* not 0: `chip` even if the file names another */
} shrike_options;

/* A handle; the model itself lies in the arena. */
typedef union {
  void* alignment;
  unsigned char bytes[2 * sizeof(void*)];
} shrike_model;

typedef struct {
  uint64_t arena_bytes;      /* what shrike_load needs as arena */
  uint64_t internal_bytes;   /* used of the fast memory */
  uint64_t activation_bytes; /* in both */
  int32_t inputs, outputs;
} shrike_size_report;

/* Real value = stored integer * 2^exponent. `type` numbers as in the file (3: int8, 5: int16, 1: float). */
typedef struct {
  const char* name; /* name_bytes characters, not ended by NUL */
  uint32_t name_bytes;
  int32_t type;
  int32_t rank;
  int32_t dims[6]; /* stored order, [N, H, W, C] around convolutions */
  int32_t exponent;
  void* data; /* null: there is no such tensor */
  uint64_t bytes;
} shrike_tensor;

enum {
  SHRIKE_RGB888 = 0,
  SHRIKE_BGR888,
  SHRIKE_RGB565_LITTLE_ENDIAN,
  SHRIKE_RGB565_BIG_ENDIAN,
  SHRIKE_GRAY8
};

typedef struct {
  const uint8_t* pixels; /* rows packed */
  int32_t width, height;
  int32_t format;
} shrike_image;

/* How the picture was placed in the input: x_image = (x_input - left) * inverse_scale_x. */
typedef struct {
  float inverse_scale_x, inverse_scale_y;
  int32_t left, top, image_width, image_height;
} shrike_placement;

typedef struct {
  float x1, y1, x2, y2; /* pixels of the picture */
  float score;          /* 0..1 */
  int32_t category;
  uint32_t place; /* which box of the head */
  float angle;    /* radians; 0 unless the head's boxes are turned */
} shrike_detection;

typedef struct {
  float score_threshold, iou_threshold;
  int32_t max_candidates;
} shrike_detect_options;

/* Such as "0.2.0". */
const char* shrike_version(void);
/* A phrase for a status code, never null. */
const char* shrike_status_text(int32_t code);

shrike_status shrike_load(shrike_model* model, const void* file, size_t file_bytes,
                          const shrike_options* options);
shrike_size_report shrike_sizes(const shrike_model* model);
/* The chip as which the model computes. */
const char* shrike_chip(const shrike_model* model);
/* Graph order; valid until the model runs again. */
shrike_tensor shrike_input(const shrike_model* model, int32_t index);
shrike_tensor shrike_output(const shrike_model* model, int32_t index);
/* Fills input 0 from a picture: letterbox on grey, 0..255 to 0..1, as the chip's own library does. Before
 * every run. */
shrike_status shrike_picture(shrike_model* model, const shrike_image* image, shrike_placement* placement);
shrike_status shrike_run(shrike_model* model);
/* Boxes of a detector that has run, best first, at most *count of them (which then says how many). `heads`:
 * what may decode its outputs, required; SHRIKE_NOT_FOUND when none of them is the model's. `options` null:
 * the defaults. `scratch`: any alignment; SHRIKE_ARENA_TOO_SMALL tells how much (12 bytes a candidate and a
 * few). */
shrike_status shrike_detect(const shrike_model* model, const shrike_head_set* heads,
                            const shrike_placement* placement, const shrike_detect_options* options,
                            void* scratch, size_t scratch_bytes, shrike_detection* detections,
                            int32_t* count);

#ifdef __cplusplus
}
#endif
