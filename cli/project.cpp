// shrike project: an ESP-IDF project, or C arrays, for an .espdl file.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "toolchain/board/project.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::cli {
namespace {

struct ProjectArguments {
  std::string file, model, output, board, backend = "esp-dl", model_in = "auto", picture;
  bool camera = false, c_array = false, force = false;
  double conf = 0.25, iou = 0.7;
  int max_detections = 10;
};

void write(const std::string& folder, const board::Project& project, bool replace) {
  std::error_code error;
  if (!replace && std::filesystem::exists(folder, error) && !std::filesystem::is_empty(folder, error))
    fail("'{}' exists and holds files; name another folder, or write over them with --force", folder);
  std::vector<NamedBytes> files;
  for (const NamedBytes& file : project.files) {
    const std::string path = folder + "/" + file.path;
    make_folder(std::filesystem::path(path).parent_path().generic_string());
    files.push_back({path, file.bytes});
  }
  write_files_atomically(files);
  for (const std::string& note : project.notes) fmt::print(stderr, "note: {}\n", note);
}

board::ProjectOptions options_of(const ProjectArguments& arguments, const board::Board& board) {
  board::ProjectOptions options;
  options.board = &board;
  options.backend = arguments.backend == "shrike" ? board::Backend::kShrike : board::Backend::kEspDl;
  if (arguments.model_in == "program") options.location = board::Location::kProgram;
  if (arguments.model_in == "partition") options.location = board::Location::kPartition;
  options.camera = arguments.camera;
  options.score_threshold = static_cast<float>(arguments.conf);
  options.iou_threshold = static_cast<float>(arguments.iou);
  options.max_detections = arguments.max_detections;
  options.component = board::find_component();
  if (!arguments.picture.empty()) options.picture = data::load_image(arguments.picture);
  return options;
}

void run(const ProjectArguments& arguments) {
  if (!arguments.c_array && arguments.board.empty())
    throw WrongCommandLine("--board is required (or --c-array): one of " + board::board_names());
  host::IntegerOptions integer;
  integer.model = arguments.model;
  if (arguments.c_array) {
    write(arguments.output, board::make_c_array(board::read_facts(arguments.file, integer)), arguments.force);
    fmt::print("{}: model.h, model.c and model_operators.cpp of {}\n", arguments.output, arguments.file);
    return;
  }
  const board::Board& board = board::find_board(arguments.board);
  const board::Facts facts = board::read_facts_for(board, arguments.file, integer);
  const board::ProjectOptions options = options_of(arguments, board);
  const board::Project project = board::make_project(facts, options);
  write(arguments.output, project, arguments.force);
  fmt::print("{}: {} files for {}; next:\n  cd {} && idf.py build && idf.py -p {} flash monitor\n",
             arguments.output, project.files.size(), arguments.board, arguments.output, options.board->port);
}

void add_project(Command& app) {
  auto arguments = std::make_shared<ProjectArguments>();
  Command* command =
      app.add_subcommand("project", "Write an ESP-IDF project that runs an .espdl file on a board");
  command->footer(
      "Examples:\n"
      "  shrike project yolo11n.espdl --board p4-function-ev --picture street.jpg -o yolo11n_board/\n"
      "  shrike project yolo11n.espdl --board s3-eye --camera -o yolo11n_board/\n"
      "  shrike project yolo11n.espdl --c-array -o firmware/model/\n"
      "Chip, input, head and class names are taken from the file. The project's README.md says how to go on "
      "from\n"
      "there; docs/deploy.md explains it.\n"
      "Boards: " +
      board::board_names() + ".");
  command->add_option("FILE", arguments->file, ".espdl file")->required();
  command->add_option("--model", arguments->model,
                      "Name of the model to use, where the file is a package of several");
  command->add_option("-o,--output", arguments->output, "Folder to write")->required();
  command->add_option("--board", arguments->board, "Board: its memory and revision decide the settings");
  command
      ->add_option(
          "--backend", arguments->backend,
          "esp-dl: Espressif's library with its vector code; shrike: Shrike's own runtime, slower, any head "
          "(default: esp-dl)")
      ->check(one_of({"esp-dl", "shrike"}));
  command
      ->add_option(
          "--model-in", arguments->model_in,
          "program: the model is part of the program; partition: of its own in the flash (default: the "
          "program if it fits)")
      ->check(one_of({"auto", "program", "partition"}));
  command->add_option("--picture", arguments->picture, "JPEG or PNG picture to embed");
  command->add_flag("--camera", arguments->camera, "Look through the board's camera, over and over");
  command->add_option("--conf", arguments->conf, "Score threshold (default: 0.25)")->check(between(0.0, 1.0));
  command->add_option("--iou", arguments->iou, "Overlap that suppresses a box (default: 0.7)")
      ->check(between(0.0, 1.0));
  command->add_option("--max-detections", arguments->max_detections, "Boxes at most (default: 10)")
      ->check(between(1, 1000));
  command->add_flag("--c-array", arguments->c_array,
                    "Instead of a project: the model as a C array with the list of operators it needs");
  command->add_flag("--force", arguments->force, "Write into a folder that holds files");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration project_registration("project", 92, add_project);

}  // namespace
}  // namespace shrike::cli
