// The texts that depend on board and file: sdkconfig, manifest, the project's README.
#pragma once
#include <string>

#include "toolchain/board/expected.h"
#include "toolchain/board/flash.h"
#include "toolchain/board/project.h"

namespace shrike::board {

std::string settings_text(const Facts& facts, const ProjectOptions& options, const Flash& flash);
std::string manifest_text(const Facts& facts, const ProjectOptions& options);
std::string readme_text(const Facts& facts, const ProjectOptions& options, const Flash& flash,
                        const Expected& expected);

// Whether ESP-DL may copy the weights to PSRAM, which makes it faster: where they fit beside its arena.
bool copies_weights(const Facts& facts, const ProjectOptions& options);

}  // namespace shrike::board
