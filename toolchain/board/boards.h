// Boards for which a project can be made: what their memory and chip revision demand of its settings.
// spec/board.md section 10 has the table and its sources.
#pragma once
#include <string>
#include <vector>

#include "shrike/tensor.h"

namespace shrike::board {

// ESP32-P4 before revision 3 and from it on take different programs (spec/board.md 3.1).
enum class Revision { kOnlyOne, kBefore3, kFrom3 };

struct Board {
  const char* name;
  Target chip;
  Revision revision;
  int flash_mib, psram_mib;
  bool octal;       // esp32s3: PSRAM on eight lines instead of four
  const char* bsp;  // Espressif's package for the board and its range of versions; null: none is used
  const char* bsp_range;
  const char* camera_settings;  // lines of sdkconfig for its camera; null: no camera that a project can use
  const char* port;             // serial device on Linux, as the board shows up
};

const std::vector<Board>& boards();
const Board& find_board(const std::string& name);  // throws Error listing all names
// `chip` is a file's. Throws Error listing its boards when this one has another.
void require_chip(const Board& board, Target chip);
std::string board_names();  // "p4-function-ev, p4-eye, ..."

}  // namespace shrike::board
