// What goes into an integer model from files: raw tensors, arrays of real values, pictures.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/host/integer_model.h"

namespace shrike::cli {

// "NAME=FILE" entries as a map; throws WrongCommandLine for others.
std::map<std::string, std::string> parse_inputs(const std::vector<std::string>& entries);

// Fills the inputs that `files` names. Raw: the elements in stored order ([N, H, W, C]), little-endian, no
// header. A .npy array: real values in the model's or the stored order of axes. A .jpg or .png picture:
// becomes what the file says of its input, as on the chip (shrike/image.h). The others: generated from the
// seed; without one every input must be named, unless none is. Throws Error.
void set_inputs(const host::IntegerModel& file, const std::map<std::string, std::string>& files,
                std::optional<uint64_t> seed);

}  // namespace shrike::cli
