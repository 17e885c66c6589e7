// The option shared by the commands that read pictures.
#pragma once
#include "cli/command_line.h"

namespace shrike::cli {

// --max-pixels: how large a picture may be (toolchain/data/decode.h).
void add_picture_options(Command& command);

}  // namespace shrike::cli
