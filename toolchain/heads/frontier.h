// The last convolutions in front of a decoder, and what stands between them and the graph's outputs
// (spec/heads.md 1.2).
#pragma once
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/graph/inference.h"

namespace shrike::heads {

constexpr int64_t kSides = 4;  // of a box

struct RawConv {
  std::string tensor;  // its result
  std::string input;   // what it reads
  int64_t channels = 0, height = 0, width = 0;
  // Met on the way to the outputs before any of them: the way ends there.
  bool feeds_softmax = false;
  bool feeds_bins = false;     // softmax over as many as there are channels a side: a distribution, a box
  bool feeds_sigmoid = false;  // probabilities: scores
  bool feeds_turn = false;     // sine and cosine anywhere behind it: an angle

  int64_t pixels() const { return height * width; }
  bool operator==(const RawConv& other) const { return tensor == other.tensor; }
};

struct Frontier {
  std::vector<RawConv> convs;  // in the order in which the decoder reads them
  std::set<std::string> tail;  // operators of the decoder
  bool is_raw() const;         // nothing behind the convolutions that computes
};

// Walks back from `outputs`. Nothing when one of them does not come from convolutions of rank 4 through a
// decoder alone. Constants must be folded.
std::optional<Frontier> find_frontier(graph::Graph& graph, const std::vector<std::string>& outputs);

}  // namespace shrike::heads
