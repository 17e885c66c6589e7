#include "toolchain/board/project.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/ranges.h>

#include "toolchain/board/expected.h"
#include "toolchain/board/flash.h"
#include "toolchain/board/settings.h"
#include "toolchain/board/templates.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/host/op_list.h"
#include "toolchain/support/error.h"
#include "toolchain/system/library.h"

namespace shrike::board {
namespace {

namespace fs = std::filesystem;
using Words = std::map<std::string, std::string>;

enum class Kind { kBoxes, kClasses, kRaw };

// A name as a C++ string. Other characters than printable ASCII as they are: UTF-8 goes through.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) result += c;
  }
  return result + '"';
}

// As shrike/tensor.h names it: kEsp32p4 for esp32p4.
std::string enumerator(Target chip) {
  std::string name = host::target_name(chip);
  name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return "k" + name;
}

// Options of the program's menu that one of the backends has.
constexpr const char* kTestOption =
    R"(    config MODEL_TEST
        bool "Compare with the test values in the file"
        default y
        help
            Without effect for a file without test values (shrike quantize --test-image).

)";
constexpr const char* kShownNodeOption =
    R"(    config MODEL_SHOWN_NODE
        int "Layer whose values are printed"
        default -1
        help
            "shrike check-board" names the first layer that differs; with its number here it names the
            element too. Needs the SHA-256 or the times above.

)";

// What the generator knows; makes one text after the other.
class Writer {
 public:
  Writer(const Facts& facts, const ProjectOptions& options)
      : facts_(facts),
        options_(options),
        espdl_(options.backend == Backend::kEspDl),
        picture_(options.picture ? std::optional(picture_for(facts, *options.picture)) : std::nullopt),
        flash_(plan_flash(facts, options, picture_ ? picture_->pixels.size() : 0)),
        expected_(expected_of(facts, picture_ ? &*picture_ : nullptr, options.score_threshold,
                              options.iou_threshold, options.max_detections)) {}

  Project project() {
    add("CMakeLists.txt",
        "# Written by \"shrike project\".\ncmake_minimum_required(VERSION 3.16)\n"
        "include($ENV{IDF_PATH}/tools/cmake/project.cmake)\nproject(" +
            name() + ")\n");
    add("sdkconfig.defaults", settings_text(facts_, options_, flash_));
    add("partitions.csv", partitions_text(flash_));
    add(".gitignore", "build/\nmanaged_components/\nsdkconfig\nsdkconfig.old\ndependencies.lock\n");
    add("main/CMakeLists.txt", main_cmake());
    add("main/idf_component.yml", manifest_text(facts_, options_));
    add("main/Kconfig.projbuild", fill(kKconfig, {{"MORE", espdl_ ? kTestOption : kShownNodeOption}}));
    add("main/main.cpp", main_text());
    add("main/model.h", model_header());
    add("main/model.espdl", std::string(facts_.file.begin(), facts_.file.end()));
    if (!embedded().empty()) add("main/model.S", fill(kModelAssembly, {{"PARTS", embedded()}}));
    if (picture_) add("main/picture.rgb", std::string(picture_->pixels.begin(), picture_->pixels.end()));
    if (options_.camera) {
      add("main/camera.h", kCameraHeader);
      add("main/camera.cpp", kCameraSource);
    }
    add_component();
    if (kind() == Kind::kRaw) expected_.objects.clear();  // the program decodes nothing
    add("README.md", readme_text(facts_, options_, flash_, expected_));
    note_what_is_missing();
    return std::move(project_);
  }

 private:
  void add(const std::string& path, std::string bytes) { project_.files.push_back({path, std::move(bytes)}); }

  std::string name() const {
    std::string stem = fs::path(facts_.path).stem().generic_string();
    for (char& c : stem) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return stem;
  }

  bool in_program() const { return flash_.model_bytes == 0; }

  Kind kind() const {
    if (!facts_.head) return Kind::kRaw;
    if (facts_.head->row->result == heads::Result::kClasses) return Kind::kClasses;
    return espdl_ && library_postprocessor(facts_).empty() ? Kind::kRaw : Kind::kBoxes;
  }

  std::string embedded() const {
    std::string parts;
    const auto part = [&](const char* symbol, const char* file) {
      parts += fmt::format("    .balign 16\n    .global {0}\n{0}:\n    .incbin \"{1}\"\n", symbol, file);
    };
    if (in_program()) part("model_espdl", "model.espdl");
    if (picture_) part("picture_rgb", "picture.rgb");
    return parts;
  }

  std::string main_cmake() const {
    std::string sources = "main.cpp";
    if (espdl_) sources += " sha256.cpp";
    if (!espdl_) sources += " model_operators.cpp";
    if (!embedded().empty()) sources += " model.S";
    if (options_.camera) sources += " camera.cpp";
    std::string text =
        "# Without REQUIRES this component may use every other one.\nidf_component_register(SRCS " + sources +
        " INCLUDE_DIRS .)\n";
    std::string embedded_files;
    if (in_program()) embedded_files += "${CMAKE_CURRENT_LIST_DIR}/model.espdl";
    if (picture_) {
      embedded_files +=
          std::string(embedded_files.empty() ? "" : ";") + "${CMAKE_CURRENT_LIST_DIR}/picture.rgb";
    }
    if (!embedded_files.empty())
      text += "set_source_files_properties(model.S PROPERTIES OBJECT_DEPENDS \"" + embedded_files + "\")\n";
    if (!in_program())
      text += "esptool_py_flash_to_partition(flash \"model\" \"${CMAKE_CURRENT_LIST_DIR}/model.espdl\")\n";
    return text;
  }

  // The sources of Shrike that the project needs.
  void add_component() {
    const fs::path root = options_.component;
    if (espdl_) {
      for (const auto& [from, to] :
           {std::pair{"runtime/include/shrike/sha256.h", "main/shrike/sha256.h"},
            std::pair{"runtime/format/sha256.cpp", "main/sha256.cpp"},
            std::pair{"runtime/format/sha256_rounds.h", "main/format/sha256_rounds.h"},
            std::pair{"include/shrike_seed.h", "main/shrike_seed.h"}}) {
        add(to, read_text((root / from).generic_string()));
      }
      return;
    }
    add("main/model_operators.cpp", expected_.operators_source);
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string relative = fs::relative(entry.path(), root).generic_string();
      if (entry.is_regular_file() && !relative.starts_with("examples/")) paths.push_back(relative);
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths)
      add("components/shrike/" + path.generic_string(), read_text((root / path).generic_string()));
  }

  std::string model_header() const {
    std::string text = fmt::format(
        "// What \"{}\" says about itself. Written by \"shrike project\".\n#pragma once\n\n"
        "constexpr unsigned kModelBytes = {};\nconstexpr const char* kModelSha256 = \"{}\";\n"
        "constexpr bool kHasTestValues = {};\n",
        fs::path(facts_.path).filename().generic_string(), facts_.file.size(), facts_.sha256,
        facts_.has_test_values);
    if (espdl_) {
      text += fmt::format(
          "// Whether the memory holds a copy of the weights beside everything else.\nconstexpr bool "
          "kCopyWeights = {};\n",
          copies_weights(facts_, options_));
    } else {
      text += fmt::format("constexpr unsigned kArenaBytes = {};\n", facts_.arena_bytes);
    }
    text += fmt::format(
        "\nconstexpr float kScoreThreshold = {:#}f, kIouThreshold = {:#}f;\nconstexpr int kMaxDetections = "
        "{};\n\n",
        options_.score_threshold, options_.iou_threshold, options_.max_detections);
    if (picture_)
      text += fmt::format("constexpr int kPictureWidth = {}, kPictureHeight = {};  // picture.rgb\n\n",
                          picture_->width, picture_->height);
    text +=
        "struct Input {\n  const char* name;\n  unsigned elements, element_bytes;\n};\nconstexpr Input "
        "kInputs[] = {\n";
    for (const Port& port : facts_.inputs) {
      text +=
          fmt::format("    {{{}, {}, {}}},\n", quoted(port.name), port.shape.elements(), size_of(port.type));
    }
    text += fmt::format(
        "}};\nconstexpr bool kSeedInputs = {};  // inputs of integers, which can be generated\n\n",
        expected_.seeded);
    text +=
        "struct Output {\n  const char* name;\n  unsigned bytes;\n"
        "  const char *on_seed, *on_picture;  // SHA-256 as a PC computes it, on generated input and on "
        "picture.rgb\n"
        "};\nconstexpr Output kOutputs[] = {\n";
    for (size_t i = 0; i < facts_.outputs.size(); ++i) {
      text += fmt::format("    {{{}, {},\n     \"{}\",\n     \"{}\"}},\n", quoted(facts_.outputs[i].name),
                          facts_.outputs[i].bytes, expected_.on_seed[i], expected_.on_picture[i]);
    }
    text += "};\n";
    if (kind() != Kind::kRaw) text += class_names();
    return text;
  }

  std::string class_names() const {
    std::string text = fmt::format(
        "\nconstexpr int kClassCount = {};\nconstexpr const char* kClassNames[] = {{\n", facts_.names.size());
    for (const std::string& name : facts_.names) text += "    " + quoted(name) + ",\n";
    text +=
        "};\ninline const char* class_name(int index) {\n  return index >= 0 && index < kClassCount ? "
        "kClassNames[index] : \"?\";\n}\n";
    if (kind() == Kind::kClasses)
      text += fmt::format("constexpr bool kSoftmaxMissing = {};\n", facts_.softmax_missing);
    if (facts_.head->key_points > 0)
      text += fmt::format("constexpr int kKeyPoints = {};\n", facts_.head->key_points);
    return text;
  }

  std::string main_text() const {
    Words words = {{"TITLE", name() + " on " + options_.board->name}};
    const bool pictures = facts_.picture.has_value() && (picture_ || options_.camera);
    const bool program = in_program();
    words["EXTERNS"] = externs();
    words["CODE"] = pictures ? detector_text() : "";
    words["WORK"] =
        pictures ? work_text() : "  printf(\"SHRIKE ready: nothing is shown to this network yet\\n\");\n";
    std::string includes;
    if (espdl_) {
      if (pictures) includes += "#include \"dl_image_preprocessor.hpp\"\n";
      if (pictures && kind() == Kind::kBoxes) includes += "#include \"" + post_header() + "\"\n";
      words["WHERE"] = program ? "reinterpret_cast<const char*>(model_espdl)" : "\"model\"";
      words["LOCATION"] =
          program ? "fbs::MODEL_LOCATION_IN_FLASH_RODATA" : "fbs::MODEL_LOCATION_IN_FLASH_PARTITION";
    } else {
      words["CHIP"] = enumerator(facts_.chip);
      words["FILE"] = program ? "{model_espdl, kModelBytes}" : "shrike::esp::map_partition(\"model\")";
    }
    if (options_.camera) includes = "#include \"camera.h\"\n" + includes;
    words["INCLUDES"] = includes;
    return fill(espdl_ ? kEspDlMain : kShrikeMain, words);
  }

  std::string externs() const {
    std::string text;
    if (in_program()) text += "extern \"C\" const uint8_t model_espdl[];  // model.S\n";
    if (picture_) text += "extern \"C\" const uint8_t picture_rgb[];\n";
    return text.empty() ? "" : text + "\n";
  }

  std::string post_header() const {
    static const std::map<std::string, std::string> headers = {
        {"yolo11", "dl_detect_yolo11_postprocessor.hpp"},
        {"espdet", "dl_detect_espdet_postprocessor.hpp"},
        {"yolo11pose", "dl_pose_yolo11_postprocessor.hpp"},
        {"yolo11seg", "dl_seg_yolo11_postprocessor.hpp"}};
    return headers.at(library_postprocessor(facts_));
  }

  std::string post_class() const {
    static const std::map<std::string, std::string> classes = {
        {"yolo11", "dl::detect::yolo11PostProcessor"},
        {"espdet", "dl::detect::ESPDetPostProcessor"},
        {"yolo11pose", "dl::detect::yolo11posePostProcessor"},
        {"yolo11seg", "dl::detect::yolo11segPostProcessor"}};
    return classes.at(library_postprocessor(facts_));
  }

  // Mean, standard deviation and order of colours as ESP-DL takes them: a grey picture has two plain numbers.
  std::string normalisation() const {
    const data::InputSpec& input = *facts_.picture;
    if (input.channels == 1) return fmt::format("{:#}f, {:#}f", input.mean[0], input.std[0]);
    return fmt::format("{{{}}}, {{{}}}, {}", fmt::join(input.mean, ", "), fmt::join(input.std, ", "),
                       input.color == data::Color::kBgr);
  }

  std::string crop_text() const {
    if (facts_.picture->geometry != data::Geometry::kCenterCrop)
      return "    preprocessor_.preprocess(picture);\n";
    return fmt::format(
        "    // The largest middle part of the input's ratio.\n"
        "    const int width = picture.width, height = picture.height;\n"
        "    const int kept_width = width * {1} > height * {0} ? height * {0} / {1} : width;\n"
        "    const int kept_height = width * {1} > height * {0} ? height : width * {1} / {0};\n"
        "    const int left = (width - kept_width) / 2, top = (height - kept_height) / 2;\n"
        "    preprocessor_.preprocess(picture, {{left, top, left + kept_width, top + kept_height}});\n",
        facts_.picture->width, facts_.picture->height);
  }

  std::string third_text() const {
    const bool points = facts_.head->key_points > 0;
    if (espdl_) {
      return points ? "      printf(\"SHRIKE points\");\n"
                      "      for (size_t i = 0; i + 1 < result.keypoint.size(); i += 2)\n"
                      "        printf(\" (%d, %d)\", static_cast<int>(result.keypoint[i]), "
                      "static_cast<int>(result.keypoint[i + 1]));\n"
                      "      printf(\"\\n\");\n"
                    : "";
    }
    return points ? "    shrike::KeyPoint points[kKeyPoints];\n"
                    "    if (!succeeded(\"key points\", shrike::decode_key_points(head, box, placement_,\n"
                    "                                                           shrike::DetectMode::kChip, "
                    "points)))\n"
                    "      return;\n"
                    "    printf(\"SHRIKE points\");\n"
                    "    for (const shrike::KeyPoint& point : points)\n"
                    "      printf(\" (%d, %d)\", static_cast<int>(point.x), static_cast<int>(point.y));\n"
                    "    printf(\"\\n\");\n"
                  : "";
  }

  std::string detector_text() const {
    Words words;
    if (kind() == Kind::kBoxes) words["THIRD"] = third_text();
    const data::InputSpec& input = *facts_.picture;
    if (!espdl_) {
      const char* text = kind() == Kind::kBoxes     ? kShrikeBoxes
                         : kind() == Kind::kClasses ? kShrikeClasses
                                                    : kShrikeRaw;
      return fill(text, words);
    }
    words["NORMALISATION"] = normalisation();
    words["LETTERBOX"] =
        input.geometry != data::Geometry::kLetterbox ? ""
        : input.channels == 1
            ? fmt::format("    preprocessor_.enable_letterbox({{{}}});\n", input.padding)
            : fmt::format("    preprocessor_.enable_letterbox({{{0}, {0}, {0}}});\n", input.padding);
    words["CROP"] = crop_text();
    if (kind() == Kind::kRaw) return fill(kEspDlRaw, words);
    if (kind() == Kind::kClasses) {
      words["INTEGER"] = facts_.outputs[0].type == DataType::kInt8    ? "int8_t"
                         : facts_.outputs[0].type == DataType::kInt16 ? "int16_t"
                                                                      : "float";
      return fill(kEspDlClasses, words);
    }
    words["POSTPROCESSOR"] = post_class();
    return fill(kEspDlBoxes, words);
  }

  std::string work_text() const {
    std::string text = espdl_ ? "  static Detector detector(model);\n" : "  static Detector detector;\n";
    if (picture_ && espdl_) {
      text +=
          "  dl::image::img_t picture;\n"
          "  picture.data = const_cast<uint8_t*>(picture_rgb);\n"
          "  picture.width = kPictureWidth;\n"
          "  picture.height = kPictureHeight;\n"
          "  picture.pix_type = dl::image::DL_IMAGE_PIX_TYPE_RGB888;\n"
          "  detector.prepare(picture);\n"
          "  detector.run(kPictureWidth, kPictureHeight);\n"
          "  printf(\"SHRIKE %s on the picture\\n\", print_outputs(model, true) ? \"PASS\" : \"FAIL\");\n";
    } else if (picture_) {
      text +=
          "  if (!detector.prepare({picture_rgb, kPictureWidth, kPictureHeight, "
          "shrike::PixelFormat::kRgb888})) "
          "return;\n"
          "  detector.run();\n"
          "  printf(\"SHRIKE %s on the picture\\n\", print_outputs() ? \"PASS\" : \"FAIL\");\n";
    }
    if (!options_.camera) return text;
    text += "  if (!open_camera()) return;\n  Frame frame;\n  while (take_frame(&frame)) {\n";
    if (espdl_) {
      text +=
          "    dl::image::img_t picture;\n"
          "    picture.data = frame.pixels;\n"
          "    picture.width = static_cast<uint16_t>(frame.width);\n"
          "    picture.height = static_cast<uint16_t>(frame.height);\n"
          "    picture.pix_type = frame.format == Frame::kRgb565be   ? "
          "dl::image::DL_IMAGE_PIX_TYPE_RGB565BE\n"
          "                       : frame.format == Frame::kRgb565le ? "
          "dl::image::DL_IMAGE_PIX_TYPE_RGB565LE\n"
          "                                                          : dl::image::DL_IMAGE_PIX_TYPE_RGB888;\n"
          "    detector.prepare(picture);\n"
          "    return_frame(frame);\n"
          "    detector.run(frame.width, frame.height);\n  }\n";
    } else {
      text +=
          "    const shrike::PixelFormat format = frame.format == Frame::kRgb565be   ? "
          "shrike::PixelFormat::kRgb565be\n"
          "                                       : frame.format == Frame::kRgb565le ? "
          "shrike::PixelFormat::kRgb565le\n"
          "                                                                          : "
          "shrike::PixelFormat::kRgb888;\n"
          "    const bool prepared = detector.prepare({frame.pixels, frame.width, frame.height, format});\n"
          "    return_frame(frame);\n"
          "    if (prepared) detector.run();\n  }\n";
    }
    return text;
  }

  void note_what_is_missing() {
    if (!facts_.picture) {
      project_.notes.push_back(
          "the network's input is no picture; the project loads it and can check it, nothing more");
    } else if (!picture_ && !options_.camera) {
      project_.notes.push_back("neither --picture nor --camera was given; the project can only check itself");
    }
    if (espdl_ && kind() == Kind::kRaw && facts_.head) {
      project_.notes.push_back(fmt::format(
          "ESP-DL's library has no class that decodes this head ({}): the project prints times and "
          "fingerprints of the outputs; --backend shrike prints the objects too",
          facts_.head->row->name));
    } else if (!facts_.head) {
      project_.notes.push_back(
          "the outputs are no head that is known; the project prints their fingerprints");
    }
    project_.notes.insert(project_.notes.end(), flash_.notes.begin(), flash_.notes.end());
  }

  const Facts& facts_;
  const ProjectOptions& options_;
  bool espdl_;
  std::optional<data::Image> picture_;
  Flash flash_;
  Expected expected_;
  Project project_;
};

}  // namespace

Project make_project(const Facts& facts, const ProjectOptions& options) {
  if (options.camera && options.board->camera_settings == nullptr) {
    fail(
        "no camera of board '{}' is known to this program; leave out --camera and write your own, or embed a "
        "--picture",
        options.board->name);
  }
  if ((options.camera || options.picture) && !facts.picture)
    fail("'{}' has no single input of a picture's shape; leave out --picture and --camera", facts.path);
  return Writer(facts, options).project();
}

Project make_c_array(const Facts& facts) {
  const std::string stem = "model";
  std::string source =
      fmt::format("/* {}: {} bytes. Written by \"shrike project --c-array\". */\n#include \"{}.h\"\n\n",
                  fs::path(facts.path).filename().generic_string(), facts.file.size(), stem);
  source += fmt::format("_Alignas(16) const unsigned char {}_espdl[{}] = {{", stem, facts.file.size());
  for (size_t i = 0; i < facts.file.size(); ++i)
    source += fmt::format("{}{},", i % 24 == 0 ? "\n" : "", facts.file[i]);
  source += "\n};\n";
  const std::string header = fmt::format(
      "/* The .espdl file as constants, 16-byte aligned. */\n#ifndef MODEL_ESPDL_H\n#define MODEL_ESPDL_H\n"
      "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n"
      "#define MODEL_ESPDL_BYTES {}u\n#define MODEL_ARENA_BYTES {}u /* of Shrike's runtime */\n"
      "extern const unsigned char {}_espdl[MODEL_ESPDL_BYTES];\n"
      "#ifdef __cplusplus\n}}\n#endif\n#endif\n",
      facts.file.size(), facts.arena_bytes, stem);
  const host::IntegerModel model = host::IntegerModel::from_bytes(facts.file, facts.path);
  return {
      {{"model.c", source}, {"model.h", header}, {"model_operators.cpp", host::op_set_source(model.model())}},
      {}};
}

std::string find_component() {
  const char* named = std::getenv("SHRIKE_COMPONENT");
  const std::string folder =
      named != nullptr ? named : program_folder().generic_string() + "/../share/shrike/component/shrike";
  std::error_code error;
  if (!fs::exists(folder + "/idf_component.yml", error)) {
    fail(
        "Shrike's component for ESP-IDF was expected in '{}' and is not there; install it with the program "
        "('make "
        "component' builds it), or name its folder with SHRIKE_COMPONENT",
        folder);
  }
  return fs::canonical(folder, error).generic_string();
}

}  // namespace shrike::board
