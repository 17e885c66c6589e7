// Small edits that the passes are made of. Each keeps the graph consistent (see check()). Names are taken by
// value: they are often elements of the lists that the edit changes.
#pragma once
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Unused names for edits that need many: Graph::fresh_name looks at the whole graph for each. Names that
// others add meanwhile are not seen.
class FreshNames {
 public:
  explicit FreshNames(const Graph& graph);
  // `stem`, else "stem_1", "stem_2", ...; never the same again.
  std::string take(const std::string& stem);

 private:
  std::unordered_set<std::string> used_;
  std::map<std::string, int> next_;
};

// Adds a constant named after `stem` and returns its name.
std::string add_constant(Graph& graph, const std::string& stem, Shape shape, std::vector<float> values);
std::string add_constant(Graph& graph, const std::string& stem, Shape shape, std::vector<int64_t> values);
std::string add_constant(Graph& graph, FreshNames& names, const std::string& stem, Shape shape,
                         std::vector<float> values);
std::string add_constant(Graph& graph, FreshNames& names, const std::string& stem, Shape shape,
                         std::vector<int64_t> values);

// Adds a variable with the shape and format of the tensor `like`, named after `stem`, and returns its name.
std::string add_variable(Graph& graph, const std::string& like, const std::string& stem);

// Every reader of `from`, and the graph outputs, read `to` instead.
void replace_uses(Graph& graph, std::string from, std::string to);

// Renames a tensor everywhere. `to` must be unused.
void rename_tensor(Graph& graph, std::string from, std::string to);

// Lets the readers of the node's only output read `input` instead, so that the node becomes dead. When the
// output is a graph output, its name moves to `input` where that is possible; false when it is not (the node
// has to stay).
bool bypass(Graph& graph, int node, std::string input);

// Erases the nodes with these indices, then the tensors that nothing names any more.
void erase_nodes(Graph& graph, const std::set<int>& dead);

// Gives every node its own copy of the constants it shares with others (the file format asks for one reader
// each).
void split_shared_constants(Graph& graph);

}  // namespace shrike::graph
