// An ESP-IDF project for one .espdl file on one board: everything it needs to be built, flashed and to print
// what the network finds (spec/board.md). What the file says about itself (chip, input, head, class names) is
// taken from it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/board/boards.h"
#include "toolchain/board/facts.h"
#include "toolchain/data/image.h"
#include "toolchain/support/files.h"

namespace shrike::board {

enum class Backend { kEspDl, kShrike };
// Where the model lies in the flash: within the program, or in a partition of its own.
enum class Location { kAuto, kProgram, kPartition };

struct ProjectOptions {
  const Board* board = nullptr;
  Backend backend = Backend::kEspDl;
  Location location = Location::kAuto;
  std::optional<data::Image> picture;  // to be embedded; scaled down to the network's input
  bool camera = false;
  float score_threshold = 0.25f, iou_threshold = 0.7f;  // the chip's defaults
  int max_detections = 10;
  // Folder with Shrike's ESP-IDF component, whose files become part of the project.
  std::string component;
};

struct Project {
  std::vector<NamedBytes> files;  // paths relative to the project's folder
  std::vector<std::string> notes;
};
// Throws Error when the board can't hold the model or lacks what was asked for.
Project make_project(const Facts& facts, const ProjectOptions& options);

// The model as a C array for any other build: model.c, model.h and the operators it needs
// (model_operators.cpp).
Project make_c_array(const Facts& facts);

// Shrike's component as the running program has it beside it (../share/shrike/component/shrike), or as
// SHRIKE_COMPONENT says. Throws Error when it is not there.
std::string find_component();

}  // namespace shrike::board
