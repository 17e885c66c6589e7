// The bare-metal programs in QEMU give what this machine gives: YOLO11n on a picture, and every operator.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "firmware/qemu-virt/head_cases.h"
#include "tests/board/small_files.h"
#include "tests/firmware/every_operator.h"
#include "tests/firmware/tools.h"
#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/host/link_map.h"
#include "toolchain/host/op_list.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/files.h"
#include "toolchain/support/sha256.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;

double number_after(const std::string& text, const std::string& pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern + R"(\s*([0-9.]+))"))) return -1;
  return std::stod(match[1]);
}

TEST(Firmware, Yolo11nGivesTheHostsTensorsAndDetections) {
  SHRIKE_NEEDS_TOOLS();
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  const std::string shared = shared_root();
  const std::string model = kBuild + "/yolo11n_320.espdl";
  make_folder(kBuild);
  if (!fs::exists(model)) {
    const Finished made = run(
        std::string(SHRIKE_PROGRAM) + " quantize " + shared + "/models/yolo11n.onnx --calib " + shared +
        "/data/coco_calib320/images --target esp32p4 --imgsz 320 --calibration-images 4 --weight-refit off "
        "--bias-correction off --exponent-search off -o " +
        model);
    ASSERT_EQ(made.status, 0) << made.output;
  }
  const std::string picture = shared + "/data/coco_val400/images/000000001584.jpg";
  const Finished finished = run(std::string(SHRIKE_PROGRAM) + " run-firmware " + model + " " + picture +
                                " --build " + kBuild + "/detect --timeout 120");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("agree on every output tensor and every detection"), std::string::npos);
  // The promises about work and size.
  const auto instructions_each = [&finished](const std::string& layers) {
    const double number = number_after(finished.output, layers + " .*adds:");
    EXPECT_GT(number, 1.0) << layers << "\n" << finished.output;
    return number;
  };
  EXPECT_LE(instructions_each("all convolutions"), 2.3);
  EXPECT_LE(instructions_each("1x1 from 64 and more channels"), 2.3);
  EXPECT_LE(instructions_each("depthwise"), 8.0);
  EXPECT_LE(number_after(finished.output, "runtime: code"), 69.0);
  EXPECT_LE(
      number_after(finished.output, "RAM beyond the arena") + number_after(finished.output, "stack used"),
      16.0);
  EXPECT_GT(number_after(finished.output, "runtime: code"), 1.0);

  // What comes from runtime/ needs no unwinder and no constructors.
  const std::string path = kBuild + "/detect/bin/detect.map";
  const host::LinkMap map = host::parse_link_map(read_text(path), path);
  const auto kibibytes = [&map](const char* object) {
    return static_cast<double>(map.bytes(object, host::kCodeSections)) / 1024;
  };
  EXPECT_GT(kibibytes("(pad.cpp"), 1.0);
  EXPECT_LE(kibibytes("libshrike_runtime.a") - kibibytes("(pad.cpp"), 67.0);  // what there was before Pads
  for (const host::LinkedSection& section : map.sections) {
    if (section.object.find("libshrike_runtime.a") == std::string::npos) continue;
    EXPECT_EQ(section.name.find(".eh_frame"), std::string::npos) << section.object;
    EXPECT_EQ(section.name.find(".gcc_except"), std::string::npos) << section.object;
    EXPECT_EQ(section.name.find(".init_array"), std::string::npos) << section.object;
  }
}

// Compiles all of runtime/, the ESP-IDF component and the examples too: with the warnings of every build.
Finished build_without_model() {
  const std::string source = SHRIKE_SOURCE_DIR, folder = kBuild + "/vectors";
  return run("cmake -S " + source + " -B " + folder + " -G Ninja -DCMAKE_TOOLCHAIN_FILE=" + source +
             "/firmware/riscv32.cmake -DCMAKE_BUILD_TYPE=Release && cmake --build " + folder);
}

// Nothing in runtime/ asks for more than copying and arithmetic: no malloc, free, operator new, printf,
// exceptions.
TEST(Firmware, TheDeviceFloorNeedsOnlyCopiesAndArithmetic) {
  SHRIKE_NEEDS_TOOLS();
  const Finished built = build_without_model();
  ASSERT_EQ(built.status, 0) << built.output;
  const Finished listed =
      run("riscv64-unknown-elf-nm -P -g " + kBuild + "/vectors/runtime/libshrike_runtime.a");
  ASSERT_EQ(listed.status, 0) << listed.output;
  std::set<std::string> defined, wanted;
  std::istringstream lines(listed.output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, kind;
    if (words >> name >> kind) (kind == "U" ? wanted : defined).insert(name);
  }
  ASSERT_GT(defined.size(), 100u);
  // The second kind is the compiler's own: 64-bit and double arithmetic, prologues (-msave-restore).
  const std::regex library(
      "mem(cpy|set|move|cmp)|str(cmp|len)|(ldexp|fmod|rint|floor|ceil|trunc|fabs|sqrt|round)f?");
  const std::regex compiler("__riscv_(save|restore)_[0-9]+|__[a-z]+([sdt][if])+[23]?");
  for (const std::string& name : wanted) {
    if (defined.contains(name)) continue;
    EXPECT_TRUE(std::regex_match(name, library) || std::regex_match(name, compiler)) << name;
  }
}

// A program without a model in it, which reads what it needs in `folder`.
Finished run_in(const std::string& folder, const std::string& program) {
  const Finished built = build_without_model();
  if (built.status != 0) return built;
  return run(
      "cd " + folder +
      " && timeout 600 qemu-system-riscv32 -M virt -cpu rv32 -m 256M -nographic -monitor none -serial none "
      "-bios none -semihosting-config enable=on -kernel " +
      kBuild + "/vectors/bin/" + program + ".elf </dev/null");
}

Finished run_vectors(const std::string& folder, const std::string& list) {
  make_folder(folder);
  write_file_atomically(folder + "/vectors.list", list);
  return run_in(folder, "vectors");
}

TEST(Firmware, EveryOperatorGivesTheHostsHash) {
  SHRIKE_NEEDS_TOOLS();
  const std::string folder = kBuild + "/every_operator", path = folder + "/every_operator.espdl";
  make_folder(folder);
  write_file_atomically(path, every_operator_file());
  const host::IntegerModel model = host::IntegerModel::open(path);
  std::set<std::string> types;
  for (int32_t i = 0; i < model.model().node_count(); ++i)
    types.insert(host::to_string(model.model().node_type(i)));
  EXPECT_EQ(types, registered_operators());

  std::string expected = "pass " + path + "\n";
  for (int32_t i = 0; i < model.model().test_output_count(); ++i) {
    const TensorView output = model.model().test_output(i);
    expected += "output " + sha256(output.data, output.bytes) + " " + host::to_string(output.name) + "\n";
  }
  const Finished finished = run_vectors(folder, "esp32p4 " + path + "\n");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output.substr(0, finished.output.rfind("vectors ")), expected);
}

// Boxes, angles, key points, masks and classes to the last bit, of both modes and every type of tensor.
TEST(Firmware, EveryDecoderGivesTheHostsBits) {
  SHRIKE_NEEDS_TOOLS();
  std::string expected;
  head_cases::decode_all([&](const char* line) { expected += std::string(line) + "\n"; });
  // Each has found something, or the comparison would be of nothing.
  EXPECT_EQ(expected.find(": 0 ("), std::string::npos) << expected;
  EXPECT_EQ(expected.find(" 00000000\n"), std::string::npos) << expected;  // no key points, no mask
  const Finished finished = run_in(kBuild, "heads");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output, expected);
}

// What a board prints with Shrike's component, read by `shrike check-board`: all as here, then with a weight
// that a board's flash lost a bit of.
TEST(Firmware, CheckBoardNamesTheLayerWhoseWeightABoardHasOtherwise) {
  SHRIKE_NEEDS_TOOLS();
  constexpr int32_t kNode = 5;
  const std::string folder = kBuild + "/check";
  make_folder(folder);
  const std::vector<uint8_t> file =
      board::tests::file_with(board::tests::kDetect, Target::kEsp32p4, "{0: 'a', 1: 'b'}");
  write_file_atomically(folder + "/model.espdl", file);
  write_file_atomically(folder + "/damaged.espdl", board::tests::with_flipped_weight(file, kNode));
  const auto checked = [&](const std::string& list) {
    write_file_atomically(folder + "/check.list", list);
    const Finished printed = run_in(folder, "check");
    EXPECT_EQ(printed.status, 0) << printed.output;
    write_file_atomically(folder + "/board.log", printed.output);
    return run(std::string(SHRIKE_PROGRAM) + " check-board " + folder + "/model.espdl " + folder +
               "/board.log");
  };
  const Finished good = checked("model.espdl\n");
  EXPECT_EQ(good.status, 0) << good.output;
  EXPECT_NE(good.output.find("11 of 11 tensors are what this machine computes"), std::string::npos)
      << good.output;
  const Finished bad = checked(fmt::format("damaged.espdl\n{}\n", kNode));
  EXPECT_EQ(bad.status, 1) << bad.output;
  EXPECT_NE(bad.output.find(fmt::format("first difference in layer {} ", kNode)), std::string::npos)
      << bad.output;
  EXPECT_NE(bad.output.find(": element ["), std::string::npos) << bad.output;
}

TEST(Firmware, KernelTablesAgreeWithTheNaiveLoop) {
  SHRIKE_NEEDS_TOOLS();
  const Finished built = build_without_model();
  ASSERT_EQ(built.status, 0) << built.output;
  const Finished finished = run(
      "timeout 100 qemu-system-riscv32 -M virt -cpu rv32 -m 256M -nographic -monitor none -serial none -bios "
      "none -icount shift=0 -semihosting-config enable=on -kernel " +
      kBuild + "/vectors/bin/kernels.elf </dev/null");
  EXPECT_EQ(finished.status, 0) << finished.output;
  std::cout << finished.output;
}

// A name written wrong in the generated source would only show when a firmware is linked.
TEST(Firmware, EveryOperatorHasTheSymbolThatTheGeneratorWrites) {
  const std::string header =
      read_text(std::string(SHRIKE_SOURCE_DIR) + "/runtime/include/shrike/operators.h");
  for (const std::string& type : registered_operators()) {
    EXPECT_NE(header.find("extern const Operator " + host::operator_symbol(type) + ";"), std::string::npos)
        << type;
  }
}

}  // namespace
}  // namespace shrike::tests
