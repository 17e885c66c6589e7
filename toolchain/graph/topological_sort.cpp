#include "toolchain/graph/topological_sort.h"

#include <queue>
#include <utility>

#include "toolchain/support/error.h"

namespace shrike::graph {

void sort_topologically(Graph& graph, const std::string& where) {
  const Links links(graph);
  std::vector<int> waiting(graph.nodes.size(), 0);  // distinct producers not yet placed
  std::vector<std::vector<int>> followers(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      const auto made_by = links.producer.find(input);
      if (made_by == links.producer.end()) continue;
      followers[static_cast<size_t>(made_by->second)].push_back(static_cast<int>(i));
      ++waiting[i];
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;  // smallest old index first
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<Node> sorted;
  while (!ready.empty()) {
    const auto next = static_cast<size_t>(ready.top());
    ready.pop();
    for (const int follower : followers[next]) {
      if (--waiting[static_cast<size_t>(follower)] == 0) ready.push(follower);
    }
    sorted.push_back(std::move(graph.nodes[next]));
  }
  if (sorted.size() != waiting.size()) {
    fail("{}: the nodes form a cycle; the file is damaged or not an inference model", where);
  }
  graph.nodes = std::move(sorted);
}

}  // namespace shrike::graph
