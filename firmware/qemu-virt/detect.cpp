// The linked model on the linked inputs, and where it ends in a head the objects: everything from pixels to
// boxes runs on the bare machine. Prints one fact a line, the first word says which; exits with 0 when every
// step succeeded.
#include <stdio.h>
#include <string.h>

#include "chips/chip.h"
#include "qemu-virt/board.h"
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/inspect.h"
#include "shrike/sha256.h"

extern "C" {
extern const uint8_t model_begin[], model_end[], pictures_begin[], pictures_end[];
}

// What the options below do not name is not in the program.
// Both of SHRIKE_OPS.
extern const shrike::OperatorSet kModelOperators;
extern const shrike::HeadSet kModelHeads;

namespace {

using shrike::Status;

alignas(64) uint8_t arena[SHRIKE_ARENA_BYTES];

constexpr int32_t kMostDetections = 10;
constexpr int32_t kMostCandidates = 512;
constexpr size_t kScratchBytes = 12 * kMostCandidates + 16;  // the list and its alignment
alignas(16) uint8_t detect_scratch[kScratchBytes];

shrike::InspectableModel model;

int report(const char* step, const Status& status) {
  printf("error %s: %s (code %d, node %ld, offset %lu, needed %lu)\n", step, status.detail,
         static_cast<int>(status.code), static_cast<long>(status.node),
         static_cast<unsigned long>(status.offset), static_cast<unsigned long>(status.needed));
  return 1;
}

unsigned long shown(uint64_t value) {
  return static_cast<unsigned long>(value);
}

void print_text(shrike::Text text) {
  printf("%.*s", static_cast<int>(text.size), text.data);
}

void print_outputs() {
  for (int32_t i = 0; i < model.output_count(); ++i) {
    const shrike::TensorView output = model.output(i);
    printf("output %s ", shrike::sha256_text(output.data, static_cast<size_t>(output.bytes)).digits);
    print_text(output.name);
    printf("\n");
  }
}

// The bits of a float, so that equality can be told from rounding in the print.
unsigned long bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

void print_detection(const shrike::Detection& d) {
  printf("detection %ld %08lx %08lx %08lx %08lx %08lx\n", static_cast<long>(d.category), bits_of(d.score),
         bits_of(d.x1), bits_of(d.y1), bits_of(d.x2), bits_of(d.y2));
}

// Node by node, with the instructions of each when asked.
Status run_network(bool show_layers) {
  for (int32_t i = 0; i < model.node_count(); ++i) {
    const uint64_t before = board::instructions();
    SHRIKE_RETURN_IF_ERROR(model.run_node(i));
    const uint64_t after = board::instructions();
    if (!show_layers) continue;
    const shrike::TensorView filter =
        model.node_input_count(i) > 1 ? model.node_input(i, 1) : shrike::TensorView{};
    printf("layer %ld %lu %lu [", static_cast<long>(i), shown(after - before), shown(model.node_macs(i)));
    for (int32_t d = 0; d < filter.shape.rank; ++d)
      printf(d == 0 ? "%ld" : ",%ld", static_cast<long>(filter.shape.dims[d]));
    printf("] ");
    print_text(model.node_type(i));
    printf(" ");
    print_text(model.node_name(i));
    printf("\n");
  }
  return {};
}

uint32_t word_at(const uint8_t* bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

// Fills an input from its record, two words and bytes padded to 4: width, height and RGB pixels of a picture,
// or 0, a number of bytes and the tensor as it is stored. Moves `at` behind it.
Status fill_input(int32_t index, const uint8_t*& at, shrike::ImagePlacement* placement) {
  const uint32_t width = word_at(at), second = word_at(at + 4);
  const uint8_t* bytes = at + 8;
  const size_t size = width == 0 ? second : size_t{3} * width * second;
  at = bytes + (size + 3) / 4 * 4;
  if (width != 0) {
    const shrike::ImageView image{bytes, static_cast<int32_t>(width), static_cast<int32_t>(second),
                                  shrike::PixelFormat::kRgb888};
    return shrike::preprocess(image, shrike::preprocess_options(model), model, placement);
  }
  const shrike::TensorView input = model.input(index);
  if (size != input.bytes)
    return shrike::make_status(shrike::StatusCode::kBadShape, "an input has another size");
  memcpy(input.data, bytes, size);
  return {};
}

int run_sample(const uint8_t*& at, bool show_layers) {
  const uint64_t start = board::instructions();
  shrike::ImagePlacement placement;
  Status status;
  for (int32_t i = 0; i < model.input_count(); ++i) {
    status = fill_input(i, at, &placement);
    if (!status.ok()) return report("input", status);
  }
  const uint64_t prepared = board::instructions();
  status = run_network(show_layers);
  if (!status.ok()) return report("run", status);
  const uint64_t computed = board::instructions();

  shrike::Head head;
  int32_t count = 0;
  if (!shrike::find_head(model, SHRIKE_HEADS, &head).ok()) {
    print_outputs();
    printf("instructions %lu %lu 0\n", shown(prepared - start), shown(computed - prepared));
    return 0;
  }
  shrike::DetectOptions options;
  options.max_detections = kMostDetections;
  options.max_candidates = kMostCandidates;
  shrike::Detection detections[kMostDetections];
  status = shrike::decode_detections(head, placement, options, detect_scratch, sizeof detect_scratch,
                                     detections, &count);
  if (!status.ok()) return report("decode", status);
  const uint64_t decoded = board::instructions();

  print_outputs();
  for (int32_t i = 0; i < count; ++i) print_detection(detections[i]);
  printf("instructions %lu %lu %lu\n", shown(prepared - start), shown(computed - prepared),
         shown(decoded - computed));
  return 0;
}

int run_all() {
  int index = 0;
  for (const uint8_t* at = pictures_begin; at < pictures_end; ++index) {
    printf("picture %d\n", index);
    if (run_sample(at, index == 0) != 0) return 1;
  }
  return 0;
}

}  // namespace

int main() {
  board::protect_read_only_memory();
  board::paint_stack();
  shrike::ModelOptions options;
  options.operators = &SHRIKE_OPERATORS;
  options.kernels = &SHRIKE_KERNELS;
  if (SHRIKE_TARGET[0] != '\0') {
    const shrike::Chip* chip = shrike::find_chip(SHRIKE_TARGET);
    if (chip == nullptr) {
      printf("no chip is called " SHRIKE_TARGET "\n");
      return 1;
    }
    options.target = chip->target;
    options.force_target = true;
  }
  const uint64_t start = board::instructions();
  const size_t model_bytes = static_cast<size_t>(model_end - model_begin);
  const Status status = model.load(model_begin, model_bytes, arena, sizeof arena, options);
  if (!status.ok()) return report("load", status);
  const shrike::MemoryReport memory = model.memory();
  printf("model %lu bytes, load %lu instructions\n", shown(model_bytes),
         shown(board::instructions() - start));
  printf("arena %lu of %lu (tables %lu, activations %lu, scratch %lu)\n", shown(memory.arena_bytes),
         shown(sizeof arena), shown(memory.table_bytes), shown(memory.activation_bytes),
         shown(memory.scratch_bytes));
  const int result = run_all();
  printf("stack %lu\n", static_cast<unsigned long>(board::stack_used()));
  return result;
}
