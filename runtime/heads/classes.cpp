// The numbers of a classifier (spec/runtime-and-vision.md 7, classification).
#include "heads/values.h"
#include "ops/float_math.h"
#include "shrike/detector.h"

namespace shrike {

Status decode_classes(const TensorView& output, bool softmax, float threshold, ClassScore* results,
                      int32_t capacity, int32_t* count) {
  const int64_t classes = output.shape.elements();
  if (output.data == nullptr || !has_readable_type(output) || results == nullptr || capacity < 1 ||
      count == nullptr || classes < 1 || classes > INT32_MAX) {
    return make_status(StatusCode::kBadArgument,
                       "a tensor with a number for each class and memory must be given");
  }
  float highest = -INFINITY, sum = 0;
  for (int64_t i = 0; softmax && i < classes; ++i) {
    const float value = read_value(output, i);
    if (value > highest) highest = value;
  }
  for (int64_t i = 0; softmax && i < classes; ++i) sum += exp_f32(read_value(output, i) - highest);
  int32_t kept = 0;
  for (int64_t i = 0; i < classes; ++i) {
    const float value = read_value(output, i);
    const ClassScore one{static_cast<int32_t>(i), softmax ? exp_f32(value - highest) / sum : value};
    if (!(one.score > threshold)) continue;
    int32_t at = kept < capacity ? kept++ : capacity;
    for (; at > 0 && results[at - 1].score < one.score; --at) {
      if (at < capacity) results[at] = results[at - 1];
    }
    if (at < capacity) results[at] = one;
  }
  *count = kept;
  return {};
}

}  // namespace shrike
