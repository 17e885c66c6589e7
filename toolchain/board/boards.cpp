#include "toolchain/board/boards.h"

#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike::board {
namespace {

constexpr const char* kSc2336 =
    "CONFIG_CAMERA_SC2336=y\n"
    "CONFIG_CAMERA_SC2336_MIPI_RAW8_1024X600_30FPS=y\n"
    "CONFIG_CAMERA_SC2336_MIPI_DEFAULT_FMT_RAW8_1024X600_30FPS=y\n"
    "CONFIG_ESP_VIDEO_ENABLE_ISP_PIPELINE_CONTROLLER=y\n"
    "CONFIG_CAM_CTRL_SPI_ENABLE=n\n";
constexpr const char* kOv2640 =
    "CONFIG_CAMERA_OV2640=y\n"
    "CONFIG_CAMERA_OV2640_DVP_RGB565_240X240_25FPS=y\n"
    "CONFIG_CAMERA_XCLK_USE_LEDC=y\n"
    "CONFIG_CAM_CTRL_SPI_ENABLE=n\n";

std::string names_of(const Target* chip) {
  std::string names;
  for (const Board& board : boards()) {
    if (chip != nullptr && board.chip != *chip) continue;
    names += std::string(names.empty() ? "" : ", ") + board.name;
  }
  return names;
}

}  // namespace

const std::vector<Board>& boards() {
  constexpr Target kP4 = Target::kEsp32p4, kS3 = Target::kEsp32s3;
  constexpr const char* kUart = "/dev/ttyUSB0";  // a USB-UART bridge
  constexpr const char* kUsb = "/dev/ttyACM0";   // the chip's own USB
  constexpr const char* kFunctionEv = "espressif/esp32_p4_function_ev_board_noglib";
  static const std::vector<Board> table = {
      {"p4-function-ev", kP4, Revision::kBefore3, 16, 32, false, kFunctionEv, "^5.1", kSc2336, kUart},
      {"p4x-function-ev", kP4, Revision::kFrom3, 16, 32, false, kFunctionEv, "^5.1", kSc2336, kUart},
      {"p4-eye", kP4, Revision::kBefore3, 16, 32, false, nullptr, nullptr, nullptr, kUsb},
      {"p4x-eye", kP4, Revision::kFrom3, 16, 32, false, nullptr, nullptr, nullptr, kUsb},
      {"m5stack-tab5", kP4, Revision::kBefore3, 16, 32, false, nullptr, nullptr, nullptr, kUsb},
      {"s3-eye", kS3, Revision::kOnlyOne, 8, 8, true, "espressif/esp32_s3_eye_noglib", "^6", kOv2640, kUsb},
      {"s3-korvo-2", kS3, Revision::kOnlyOne, 16, 8, true, nullptr, nullptr, nullptr, kUart},
      {"s3-devkit-n8r8", kS3, Revision::kOnlyOne, 8, 8, true, nullptr, nullptr, nullptr, kUart},
      {"s3-devkit-n16r8", kS3, Revision::kOnlyOne, 16, 8, true, nullptr, nullptr, nullptr, kUart},
      {"m5stack-core-s3", kS3, Revision::kOnlyOne, 16, 8, false, nullptr, nullptr, nullptr, kUsb},
  };
  return table;
}

const Board& find_board(const std::string& name) {
  for (const Board& board : boards())
    if (name == board.name) return board;
  fail("there is no board '{}'; known are {}", name, board_names());
}

void require_chip(const Board& board, Target chip) {
  if (board.chip == chip) return;
  const std::string other = names_of(&chip);
  fail("board '{}' has an {}, but the file is for {}; {}quantise it anew with --target {}", board.name,
       host::target_name(board.chip), host::target_name(chip),
       other.empty() ? "" : "take one of " + other + " or ", host::target_name(board.chip));
}

std::string board_names() {
  return names_of(nullptr);
}

}  // namespace shrike::board
