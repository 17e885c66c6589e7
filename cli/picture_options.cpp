#include "cli/picture_options.h"

#include <fmt/format.h>

#include <cstdlib>

#include "toolchain/data/decode.h"

namespace shrike::cli {

void add_picture_options(Command& command) {
  const data::PictureLimits defaults;
  command
      .add_option_function(
          "--max-pixels",
          [](const std::string& value) {
            data::PictureLimits limits;
            limits.pixels = std::strtoll(value.c_str(), nullptr, 10);  // checked below
            data::set_picture_limits(limits);
          },
          fmt::format("Pictures with more pixels are refused (default: {})", defaults.pixels))
      ->check(between(int64_t{1}, data::kMostPixels));
}

}  // namespace shrike::cli
