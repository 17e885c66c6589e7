#include "toolchain/board/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "toolchain/cost/cost_model.h"
#include "toolchain/support/format.h"

namespace shrike::board {
namespace {

// Pictures, stacks, tables of a large graph and whatever else the program puts into PSRAM.
constexpr uint64_t kOtherMemory = kMib + kMib / 2;
// The range of ESP-DL's versions in which every file is computed as here (spec/board.md section 2).
constexpr const char* kEspDlRange = "~3.3.8";

uint64_t psram(const ProjectOptions& options) {
  return static_cast<uint64_t>(options.board->psram_mib) * kMib;
}

// Programs run from PSRAM where all of the program, the model included, fits there beside the arena.
bool runs_from_psram(const Facts& facts, const ProjectOptions& options, const Flash& flash) {
  return flash.program_bytes + facts.activation_bytes + kOtherMemory + kMib <= psram(options) / 2;
}

// Seconds that a run may take. Shrike's own runtime has no estimate: it takes many times as long as ESP-DL.
int watchdog_seconds(const Facts& facts, const ProjectOptions& options) {
  if (options.backend == Backend::kShrike || !facts.milliseconds) return 60;
  const double seconds = *facts.milliseconds / 1000;
  return seconds > 4 ? std::min(60, static_cast<int>(std::ceil(1.5 * seconds))) : 0;
}

std::string chip_settings(const Facts& facts, const ProjectOptions& options, const Flash& flash) {
  const Board& board = *options.board;
  const std::string xip = runs_from_psram(facts, options, flash) ? "CONFIG_SPIRAM_XIP_FROM_PSRAM=y\n" : "";
  if (options.board->revision == Revision::kOnlyOne) {  // esp32s3
    return fmt::format(
        "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ_240=y\n"
        "CONFIG_SPIRAM_MODE_{}=y\nCONFIG_SPIRAM_SPEED_80M=y\n{}"
        "CONFIG_ESP32S3_INSTRUCTION_CACHE_32KB=y\nCONFIG_ESP32S3_DATA_CACHE_64KB=y\n"
        "CONFIG_ESP32S3_DATA_CACHE_LINE_64B=y\n",
        board.octal ? "OCT" : "QUAD", xip);
  }
  // Up to IDF 5.4 the speed depends on the first line, and falls to 20 MHz without a word where it is
  // missing.
  std::string text = "CONFIG_IDF_EXPERIMENTAL_FEATURES=y\nCONFIG_SPIRAM_SPEED_200M=y\n" + xip +
                     "CONFIG_CACHE_L2_CACHE_256KB=y\nCONFIG_CACHE_L2_CACHE_LINE_128B=y\n";
  if (board.revision == Revision::kBefore3) {
    text +=
        "# Chip revisions before 3.0; programs for them do not run on later ones.\n"
        "CONFIG_ESP32P4_SELECTS_REV_LESS_V3=y\nCONFIG_ESP32P4_REV_MIN_100=y\n";
  } else {
    text +=
        "# Chip revisions from 3.0; programs for them do not run on earlier ones.\n"
        "CONFIG_ESP32P4_SELECTS_REV_LESS_V3=n\nCONFIG_ESP32P4_REV_MIN_300=y\n";
  }
  return text;
}

std::string backend_name(const ProjectOptions& options) {
  return options.backend == Backend::kEspDl ? "ESP-DL" : "Shrike's runtime";
}

}  // namespace

bool copies_weights(const Facts& facts, const ProjectOptions& options) {
  return facts.activation_bytes + facts.file.size() + kOtherMemory <= psram(options);
}

std::string settings_text(const Facts& facts, const ProjectOptions& options, const Flash& flash) {
  const Board& board = *options.board;
  std::string text = fmt::format(
      "# {}. An existing sdkconfig goes before this file: delete it after a change here.\n"
      "CONFIG_IDF_TARGET=\"{}\"\n"
      "CONFIG_ESPTOOLPY_FLASHMODE_QIO=y\nCONFIG_ESPTOOLPY_FLASHSIZE_{}MB=y\n"
      "CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"partitions.csv\"\n"
      "CONFIG_PARTITION_TABLE_OFFSET=0x9000\n"
      "CONFIG_COMPILER_OPTIMIZATION_PERF=y\n"
      "CONFIG_SPIRAM=y\n",
      board.name, host::target_name(facts.chip), board.flash_mib);
  text += chip_settings(facts, options, flash);
  // Stacks must not come to lie where the vector unit can't reach them.
  text += "CONFIG_ESP_SYSTEM_ALLOW_RTC_FAST_MEM_AS_HEAP=n\n";
  text += fmt::format("CONFIG_ESP_MAIN_TASK_STACK_SIZE={}\n", options.camera ? 16384 : 10240);
  if (const int seconds = watchdog_seconds(facts, options); seconds > 0)
    text += fmt::format("CONFIG_ESP_TASK_WDT_TIMEOUT_S={}\n", seconds);
  if (options.camera) text += std::string("CONFIG_FREERTOS_HZ=1000\n") + board.camera_settings;
  return text;
}

std::string manifest_text(const Facts& facts, const ProjectOptions& options) {
  std::string text = "dependencies:\n";
  text += fmt::format("  idf: \">={}\"\n", options.camera ? "5.4" : "5.3");
  if (options.backend == Backend::kEspDl) {
    text += fmt::format("  # Versions before {} compute this file otherwise.\n  espressif/esp-dl: \"{}\"\n",
                        facts.oldest_espdl, kEspDlRange);
  }
  if (options.camera) text += fmt::format("  {}: \"{}\"\n", options.board->bsp, options.board->bsp_range);
  return text;
}

std::string readme_text(const Facts& facts, const ProjectOptions& options, const Flash& flash,
                        const Expected& expected) {
  const Board& board = *options.board;
  const std::string file = std::filesystem::path(facts.path).filename().generic_string();
  std::string text = fmt::format(
      "# {} on {}\n\n{} runs the network; the model lies in {}. Written by `shrike project`; yours to "
      "change.\n\n",
      file, board.name, backend_name(options),
      flash.model_bytes > 0 ? "the flash partition `model`" : "the program's constants");
  if (facts.picture)
    text += fmt::format("Input: {}x{}, {}.\n", facts.picture->width, facts.picture->height,
                        data::describe(*facts.picture));
  if (facts.head) text += fmt::format("Head: {}.\n", heads::describe(*facts.head));
  if (facts.milliseconds)
    text += fmt::format("Estimated time of a run with {} on one core: {:.0f} ms.\n", quantize::kPricedLibrary,
                        *facts.milliseconds);
  if (options.backend == Backend::kShrike)
    text += fmt::format(
        "Shrike's runtime has no vector code for this chip and takes many times as long{}. Its arena: {} in "
        "PSRAM.\n",
        facts.own_milliseconds ? fmt::format(" (at least {:.0f} ms on one core, from counted instructions)",
                                             *facts.own_milliseconds)
                               : "",
        format_bytes(facts.arena_bytes));
  const std::string chip = host::target_name(facts.chip);
  text += fmt::format(
      "\n## From here to the board\n\n"
      "ESP-IDF 5.5 (5.3 at least{}), once:\n\n"
      "    git clone -b v5.5.1 --recursive https://github.com/espressif/esp-idf.git\n"
      "    esp-idf/install.sh {}\n\n"
      "In every shell, then in this folder:\n\n"
      "    . esp-idf/export.sh\n    idf.py build\n    idf.py -p {} flash monitor\n\n"
      "Ctrl-] leaves the monitor. `idf.py menuconfig`, menu \"Model\", has the options of the program.\n",
      options.camera ? "; 5.4 with a camera" : "", chip, board.port);
  if (board.revision != Revision::kOnlyOne) {
    const bool early = board.revision == Revision::kBefore3;
    text += fmt::format(
        "\nThis project is for chip revisions {} 3.0: `esptool.py chip_id` tells yours. For the others "
        "exchange these lines of\n"
        "`sdkconfig.defaults` and delete `sdkconfig`; a program for the wrong ones does not start.\n\n"
        "    CONFIG_ESP32P4_SELECTS_REV_LESS_V3={}\n    CONFIG_ESP32P4_REV_MIN_{}=y\n",
        early ? "before" : "from", early ? "n" : "y", early ? "300" : "100");
  }
  text += "\n## What it prints\n\n";
  if (options.camera)
    text += "Of every frame its objects, a line each, and the microseconds that they took.\n\n";
  if (options.picture) {
    text += "On the embedded picture, as computed here with the chip's arithmetic:\n\n";
    for (const std::string& line : expected.objects) text += "    SHRIKE " + line + "\n";
    text +=
        "    SHRIKE PASS on the picture\n\nPASS says that every output is bit for bit what a PC "
        "computes.\n\n";
  }
  text += fmt::format(
      "To compare with a PC layer by layer, switch on \"Print the SHA-256 of every output\" and \"Print the "
      "time of every layer\"\nin the menu, keep the monitor's output in a file, and\n\n"
      "    shrike check-board main/model.espdl board.log{}\n\n"
      "names the first layer that differs and puts measured beside estimated times.\n",
      facts.chip_named ? "" : " --target " + chip);
  return text;
}

}  // namespace shrike::board
