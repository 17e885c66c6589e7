// Where scales and offsets (rescale.h) can be chosen, and what depends on them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/transform/channels.h"

namespace shrike::quantize {

// A tensor whose channels are all the same sum of sources' outputs.
struct ScaledTensor {
  std::string name;
  std::vector<int> terms;  // sources, once for every time that they are added
  // Tensors with its values that convolutions pad, and how: each needs a Pad if this is shifted.
  std::set<std::pair<std::string, std::vector<int64_t>>> padded;
};

// The output of an activation, or of a convolution without one.
struct Source {
  const graph::Node* node = nullptr;
  bool after_convolution = false;  // an activation whose input is a convolution's alone
  bool fixed = false;              // of a root: read where no scale can be taken up
  bool shiftable = false;
  int parent = -1;                    // the source whose scale it shares
  std::vector<ScaledTensor> tensors;  // of a root: that have its scale alone, its own output first
};

class Sources {
 public:
  // `bits` of every variable say which functions are tables. With `explicit_pads` what padded convolutions
  // read may be shifted too, behind a Pad.
  Sources(const graph::Graph& graph, const std::map<std::string, int>& bits, bool explicit_pads);

  const std::vector<Source>& list() const { return list_; }
  int root(int source) const;

 private:
  // What a channel is a sum of; empty: nothing that can be scaled.
  using Terms = std::vector<int>;

  const graph::Node* table_behind(const std::string& tensor) const;
  bool is_free_table(const graph::Node& node) const;
  void visit(const graph::Node& node);
  void open(const graph::Node& node, bool after_convolution, bool shiftable);
  void pad(const std::string& tensor, const std::vector<int64_t>& pads);
  void join(const graph::Node& node);
  void unite(int a, int b);
  void for_each_source(const std::string& tensor, const std::function<void(int)>& visit);
  void fix(const std::string& tensor);
  void pin(const std::string& tensor);
  // The terms that all channels of a tensor have; empty when they differ.
  Terms common_terms(const std::string& tensor) const;
  ScaledTensor* find(int root, const std::string& tensor);

  const graph::Graph& graph_;
  graph::Links links_;
  const std::map<std::string, int>& bits_;
  bool explicit_pads_;
  Channels<Terms> channels_;
  std::vector<Source> list_;
};

}  // namespace shrike::quantize
