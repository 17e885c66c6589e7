// Convolutions divided into groups of output channels.
//
// A chip with one weight exponent a layer gives all filters the step that the largest one needs. So channels
// are put in the order of their filters' size, and the convolution is cut where filters of one size end:
//
//   NAME/1, NAME/2   its filters, the largest first, with weights of an exponent each
//   activation       the one that alone reads the output, once for each group, with a table and so with
//                    scales (rescale.h) of its own
//   NAME/groups      a Concat, under the name of the tensor before
//
// Whatever reads the channels has its filters' columns in the new order, so that no operator moves channels
// and the float network computes the same function.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/recipe.h"

namespace shrike::quantize {

struct ChannelGroups {
  std::vector<int64_t> order;  // place i of the output gets channel order[i]
  std::vector<int64_t> sizes;  // of the groups, in the new order; one: the convolution stays whole
  bool operator==(const ChannelGroups&) const = default;
};
// By name of the convolution. Those that stay whole are there where channels that they share with a divided
// one (a sum's, say) move.
using Grouping = std::map<std::string, ChannelGroups>;

struct GroupingOptions {
  Target target = kDefaultTarget;
  std::set<std::string> kept_whole;  // names of convolutions and of what reads them
  // Share of the network's time on the chip that all divisions together may take.
  double time_share = recipe::kGroupTime;
};

// The divisions that let most filters have finer steps for the time that they cost on the chip, which must be
// one with a cost model. Looks at weights alone, so that the names of the groups are known before anything is
// measured. Needs shapes.
Grouping choose_groups(const graph::Graph& graph, const GroupingOptions& options);

// Throws Error naming the node where the grouping does not fit the graph.
void group_channels(graph::Graph& graph, const Grouping& grouping);

// For the file's metadata: what `shrike analyze` needs to see the same float network.
inline constexpr const char* kGroupsKey = "shrike.groups";
std::string grouping_text(const Grouping& grouping);  // JSON
Grouping parse_grouping(const std::string& text);     // throws Error; empty text: none

}  // namespace shrike::quantize
