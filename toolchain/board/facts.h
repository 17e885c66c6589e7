// What a board project must know about an .espdl file: everything is in the file (docs/heads.md), nobody has
// to tell it again.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/board/boards.h"
#include "toolchain/data/input_spec.h"
#include "toolchain/heads/head.h"
#include "toolchain/host/integer_model.h"

namespace shrike::board {

struct Port {
  std::string name;
  DataType type = DataType::kUndefined;
  Shape shape;  // stored order
  int exponent = 0;
  uint64_t bytes = 0;
};

struct Facts {
  std::string path;
  std::string graph_name;
  Target chip = kDefaultTarget;
  bool chip_named = true;     // by the file
  std::vector<uint8_t> file;  // its bytes
  std::string sha256;         // of them
  std::vector<Port> inputs, outputs;
  std::optional<data::InputSpec> picture;  // nothing: the network is not fed with one picture
  std::optional<heads::Head> head;         // nothing: none that is known
  bool softmax_missing = false;            // a classifier that ends in logits
  std::vector<std::string> names;          // of the classes, as far as the file tells
  bool has_test_values = false;
  bool one_width = true;                   // all outputs of the head are integers of one width
  std::string oldest_espdl;                // ESP-DL's first version that computes this file as we do
  uint64_t arena_bytes = 0;                // of Shrike's runtime, on a board
  uint64_t activation_bytes = 0;           // ESP-DL's plan needs about as much
  std::optional<double> milliseconds;      // estimated with ESP-DL
  std::optional<double> own_milliseconds;  // at least, with Shrike's runtime on one core
};

// Throws Error naming the file.
Facts read_facts(const std::string& path, const host::IntegerOptions& options = {});
// For a board: a file that names no chip is taken to be made for the board's. Throws Error too when it names
// another.
Facts read_facts_for(const Board& board, const std::string& path, host::IntegerOptions options = {});
// Of a model loaded as a board runs it (host::on_board()); `file` and `sha256` stay empty.
Facts facts_of(const host::IntegerModel& file);

// The head that the outputs of a loaded model are; class counts and strides from their shapes.
std::optional<heads::Head> head_of(const host::IntegerModel& model);

// ESP-DL's class that decodes the outputs of `facts` ("yolo11", "espdet", "yolo11pose", "yolo11seg";
// spec/board.md section 5); empty when its library has none.
std::string library_postprocessor(const Facts& facts);

}  // namespace shrike::board
