// What lies where in a board's flash (spec/board.md section 4).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/board/project.h"

namespace shrike::board {

struct Flash {
  uint64_t program_bytes = 0;  // of the partition "factory"
  uint64_t model_bytes = 0;    // of the partition "model"; 0: the model is part of the program
  std::vector<std::string> notes;
};

// `picture_bytes` are embedded. Throws Error saying how many bytes are missing when the flash is too small.
Flash plan_flash(const Facts& facts, const ProjectOptions& options, uint64_t picture_bytes);
std::string partitions_text(const Flash& flash);

}  // namespace shrike::board
