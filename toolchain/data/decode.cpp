#include "toolchain/data/decode.h"

#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

PictureLimits limits;

}  // namespace

void set_picture_limits(const PictureLimits& wanted) {
  limits = wanted;
}
const PictureLimits& picture_limits() {
  return limits;
}

void fail_too_large(const std::string& name, int64_t width, int64_t height) {
  fail("{}: the picture has more than {} pixels ({}x{}); make it smaller, or allow more by --max-pixels",
       name, limits.pixels, width, height);
}

}  // namespace shrike::data
