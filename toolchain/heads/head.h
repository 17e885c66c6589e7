// Output heads: what the last convolutions of a network mean. A head is one row of a table: the names of its
// raw tensors, what comes out of it, which parameters it has. Everything else (cutting, the loss of
// quantisation, metadata, decoding, drawing, measuring) asks the row.
//
// A graph ends in a head when its outputs carry a row's names (`named`); a graph that still ends in a decoder
// is searched for the convolutions in front of it (`cut`). Facts of the heads: spec/heads.md.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::heads {

enum class Result { kBoxes, kKeyPoints, kMasks, kRotatedBoxes, kClasses };

// How the box tensor becomes a box (spec/heads.md 1.6). kDistances: D1 and D2, four sides as numbers or as
// distributions over bins. kAnchors: D3, YOLOv5's fractions of anchor sizes. kCentreSize: D4, YOLOX.
enum class BoxCode { kDistances, kAnchors, kCentreSize };

struct Row {
  std::string name;  // in the metadata and in messages
  Result result;
  BoxCode code;
  // Names of the tensors of a level, box first, then scores; "#" stands for the level's number, "%" for the
  // binary logarithm of its stride. `shared` is one tensor for all levels, which may be missing.
  std::vector<std::string> tensors;
  std::string shared;
};

const std::vector<Row>& rows();
// What the tensors of a level are called.
std::vector<std::string> level_names(const Row& row, size_t level, int64_t stride);

constexpr size_t kBox = 0, kScore = 1, kThird = 2;  // places in Row::tensors and Level::tensors

struct Level {
  std::vector<std::string> tensors;  // in the order of Row::tensors
  int64_t height = 0, width = 0;     // cells
  int64_t stride = 0;                // input pixels a cell
};

struct Head {
  const Row* row = nullptr;
  std::vector<Level> levels;  // 1 to 8, finest first
  std::string shared;         // prototypes of masks; empty: none
  int64_t bins = 1;           // of a side's distribution; 1: the distance itself
  int64_t classes = 0;
  int64_t anchors = 1;  // boxes a cell
  int64_t key_points = 0, key_point_values = 0;
  int64_t coefficients = 0;         // channels of the prototypes
  float cell_offset = 0.5f;         // of a cell's reference point from its corner, in cells
  bool one_to_one = false;          // trained for one box an object: no suppression of overlaps
  bool raw_third = false;           // YOLO26: key points without the factor 2, angle without sigmoid
  std::vector<float> anchor_sizes;  // pixels: width, height of every anchor of every level

  std::vector<std::string> outputs() const;  // all tensors, level by level, then the shared one
};

inline constexpr const char* kMetadataKey = "head";
constexpr size_t kMaxLevels = 8;

// The head whose names the outputs of the graph carry. Shapes must be known ([1,C,H,W]).
std::optional<Head> named(const graph::Graph& graph);
// The same names in the order of the head whose names they are; empty when they are no head's, or not all.
std::vector<std::string> in_head_order(const std::vector<std::string>& outputs);

// Makes the raw tensors of the head in which the graph ends its outputs, named as the row says, and writes
// the metadata that the names don't tell. What there is to say to the user about it comes back; nothing when
// no head was recognised (the graph is then as before).
struct CutReport {
  std::vector<std::string> notes;
};
std::optional<CutReport> cut(graph::Graph& graph);

// One line: "pose: 3 levels of strides 8, 16, 32, 1 class, 17 key points".
std::string describe(const Head& head);
// "pose strides=8,16,32 ..." for the file; empty for the plain detection head, whose names and shapes tell
// everything and whose files by Espressif hold no metadata either.
std::string metadata_text(const Head& head);
// Takes over what the text says beyond names and shapes. Throws Error for other texts.
void read_metadata(const std::string& text, Head& head);
// ESP-DL's class that decodes these outputs; empty when none fits (spec/heads.md 3).
std::string espdl_postprocessor(const Head& head);

// What quantisation changes in the outputs, as fractions of what they say: of the probabilities, of the
// boxes' overlap with those of the reference, of key points or coefficients. Absolute, not squared: squares
// of logits and of sides are decided by a few cells that no detection depends on. Only cells that could
// become a detection count. Level by level in the order of the head.
class Loss {
 public:
  // Real values of a tensor in logical order [1,C,H,W].
  using Values = std::function<std::span<const float>(const std::string& tensor)>;
  void add(const Head& head, const Values& reference, const Values& quantized);
  void merge(const Loss& other);
  double value() const;

 private:
  void add_level(const Head& head, const Level& level, const Values& reference, const Values& quantized);
  double score_ = 0, score_weight_ = 0, box_ = 0, box_weight_ = 0, third_ = 0, third_weight_ = 0;
};
// Rows for which Loss is defined; for others plain noise has to do.
bool has_loss(const Head& head);
// A tensor of logits of classes, in which what lies far below zero is background whatever it is.
bool is_class_logits(const Head& head, const std::string& tensor);
bool is_class_logits(const graph::Graph& graph, const std::string& tensor);  // of the head that is named
// A tensor of logits whose softmax over bins is where a side of the box is: a constant added to all of them
// changes nothing.
bool is_side_logits(const Head& head, const std::string& tensor);

}  // namespace shrike::heads
