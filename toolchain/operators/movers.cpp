// Operators that reorder, repeat or rename elements without computing.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/rules.h"

namespace shrike::operators {
namespace {

using graph::RuleContext;
using graph::Shape;

void reshape(const RuleContext& c) {
  Shape target = c.integers(1, "the target shape");
  const bool allow_zero = c.node.integer("allowzero", 0) != 0;
  int64_t known = 1;
  int open = -1;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && !allow_zero) {
      if (i >= c.shape(0).size()) c.fail("the target shape copies axis {}, which the input does not have", i);
      target[i] = c.shape(0)[i];
    }
    if (target[i] == -1 && open < 0) {
      open = static_cast<int>(i);
    } else if (target[i] < 0 || target[i] > (int64_t{1} << 31) || known * target[i] > (int64_t{1} << 31)) {
      c.fail("the target shape [{}] is not sensible", fmt::join(target, ","));
    } else {
      known *= target[i];
    }
  }
  const int64_t total = graph::element_count(c.shape(0));
  if (open >= 0 && known > 0) target[static_cast<size_t>(open)] = total / known;
  if (std::any_of(target.begin(), target.end(), [](int64_t dim) { return dim < 0; }) ||
      graph::element_count(target) != total) {
    c.fail("the input [{}] cannot be reshaped to [{}]", fmt::join(c.shape(0), ","),
           fmt::join(c.integers(1, "the target shape"), ","));
  }
  c.set(std::move(target));
}

void flatten(const RuleContext& c) {
  const int64_t axis = c.node.integer("axis", 1);
  if (axis < -c.rank(0) || axis > c.rank(0)) c.fail("axis {} is out of range for rank {}", axis, c.rank(0));
  const auto split = c.shape(0).begin() + (axis < 0 ? axis + c.rank(0) : axis);
  c.set({graph::element_count(Shape(c.shape(0).begin(), split)),
         graph::element_count(Shape(split, c.shape(0).end()))});
}

void transpose(const RuleContext& c) {
  const size_t rank = c.shape(0).size();
  std::vector<int64_t> reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), int64_t{0});
  const auto perm = c.axes(c.node.integers("perm", reversed), c.rank(0));
  if (perm.size() != rank) c.fail("perm was expected to have {} entries, found {}", rank, perm.size());
  Shape result;
  for (const int64_t axis : perm) result.push_back(c.shape(0)[static_cast<size_t>(axis)]);
  c.set(std::move(result));
}

void squeeze(const RuleContext& c) {
  std::vector<bool> drop(c.shape(0).size(), false);
  if (c.has(1)) {
    for (const int64_t axis : c.axes(c.integers(1, "axes"), c.rank(0)))
      drop[static_cast<size_t>(axis)] = true;
  } else {
    for (size_t i = 0; i < drop.size(); ++i) drop[i] = c.shape(0)[i] == 1;
  }
  Shape result;
  for (size_t i = 0; i < drop.size(); ++i) {
    if (!drop[i]) result.push_back(c.shape(0)[i]);
    if (drop[i] && c.shape(0)[i] != 1) c.fail("axis {} has {} entries, one was expected", i, c.shape(0)[i]);
  }
  c.set(std::move(result));
}

void unsqueeze(const RuleContext& c) {
  const auto list = c.integers(1, "axes");
  const auto rank = c.rank(0) + static_cast<int64_t>(list.size());
  std::vector<int64_t> axes = c.axes(list, rank);
  std::sort(axes.begin(), axes.end());
  Shape result = c.shape(0);
  for (const int64_t axis : axes) result.insert(result.begin() + axis, 1);
  c.set(std::move(result));
}

void expand(const RuleContext& c) {
  const Shape target = c.integers(1, "the target shape");
  Shape result;
  if (std::any_of(target.begin(), target.end(), [](int64_t dim) { return dim < 0; }) ||
      !graph::broadcast(c.shape(0), target, &result)) {
    c.fail("the input [{}] cannot be expanded to [{}]", fmt::join(c.shape(0), ","), fmt::join(target, ","));
  }
  c.set(std::move(result));
}

void tile(const RuleContext& c) {
  const auto repeats = c.integers(1, "the repeats");
  Shape result = c.shape(0);
  if (repeats.size() != result.size())
    c.fail("{} repeats were expected, found {}", result.size(), repeats.size());
  for (size_t i = 0; i < result.size(); ++i) {
    if (repeats[i] < 0 || repeats[i] > (1 << 24)) c.fail("a repeat of {} is not sensible", repeats[i]);
    result[i] *= repeats[i];
  }
  c.set(std::move(result));
}

int64_t block_size(const RuleContext& c) {
  const int64_t block = c.node.integer("blocksize", 0);
  if (c.rank(0) != 4) c.fail("an input of rank 4 was expected");
  if (block < 1 || block > 1024) c.fail("a blocksize of {} is not sensible", block);
  return block;
}

void depth_to_space(const RuleContext& c) {
  const int64_t block = block_size(c);
  const Shape& in = c.shape(0);
  if (in[1] % (block * block) != 0) c.fail("{} channels do not divide by {}", in[1], block * block);
  c.set({in[0], in[1] / (block * block), in[2] * block, in[3] * block});
}

void space_to_depth(const RuleContext& c) {
  const int64_t block = block_size(c);
  const Shape& in = c.shape(0);
  if (in[2] % block != 0 || in[3] % block != 0) c.fail("{}x{} does not divide by {}", in[2], in[3], block);
  c.set({in[0], in[1] * block * block, in[2] / block, in[3] / block});
}

// The earlier frames that a streaming window keeps come in front (spec/espdl-format.md section 8).
void streaming_cache(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("frame_axis", 1), c.rank(0)));
  const int64_t window = c.node.integer("window_size", 1);
  if (window < 1 || window > (1 << 20)) c.fail("a window_size of {} is not sensible", window);
  Shape result = c.shape(0);
  result[axis] += window - 1;
  c.set(std::move(result));
}

using Source = std::optional<std::vector<int64_t>>;

Source in_order(const RuleContext&, size_t, const Shape& output) {
  return strided(output, 0, row_major_strides(output));
}

Source transposed(const RuleContext& c, size_t, const Shape& output) {
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> reversed(own.size());
  std::iota(reversed.rbegin(), reversed.rend(), int64_t{0});
  std::vector<int64_t> strides;
  for (const int64_t axis : c.axes(c.node.integers("perm", reversed), c.rank(0))) {
    strides.push_back(own[static_cast<size_t>(axis)]);
  }
  return strided(output, 0, strides);
}

Source tiled(const RuleContext& c, size_t, const Shape& output) {
  const auto own = row_major_strides(c.shape(0));
  std::vector<int64_t> source(static_cast<size_t>(graph::element_count(output)));
  for_each_index(output, [&](int64_t flat, const std::vector<int64_t>& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < own.size(); ++i) offset += index[i] % c.shape(0)[i] * own[i];
    source[static_cast<size_t>(flat)] = offset;
  });
  return source;
}

Source expanded(const RuleContext& c, size_t, const Shape& output) {
  return broadcast_source(c.shape(0), output);
}

// Output elements are input elements in another place.
Operator mover(const char* name, graph::Rule shape,
               Source (*source)(const RuleContext&, size_t, const Shape&),
               void (*lower)(espdl::Builder&, const graph::Node&), Layout layout) {
  Operator row{.name = name, .role = Role::kCopy, .shape = shape, .layout = layout, .stays_on_grid = true};
  row.source = source;
  row.lower = lower;
  if (lower != nullptr) row.support = kAllTypes;
  return row;
}

// The same bytes under other dims.
Operator renamed(const char* name, graph::Rule shape) {
  Operator row = mover(name, shape, in_order, espdl::lower_reshape, Layout::kLogical);
  row.becomes = "Reshape";
  return row;
}

Operator in_copies(Operator row, Nodes (*rewrite)(graph::Graph&, const graph::Node&)) {
  row.rewrite = rewrite;
  row.note = "as Concat of copies";
  return row;
}

Operator channelwise(Operator row) {
  row.homogeneous = true;
  return row;
}

Operator noted(Operator row, const char* note) {
  row.note = note;
  return row;
}

}  // namespace

std::vector<Operator> mover_rows() {
  using enum Layout;
  return {
      renamed("Reshape", reshape),
      renamed("Flatten", flatten),
      renamed("Squeeze", squeeze),
      renamed("Unsqueeze", unsqueeze),
      mover("Transpose", transpose, transposed, espdl::lower_transpose, kLogical),
      channelwise(mover("Identity", same_shape, in_order, espdl::lower_unary, kHandedOn)),
      noted(mover("Dropout", same_shape, in_order, nullptr, kRewritten), "disappears"),
      in_copies(mover("Expand", expand, expanded, nullptr, kRewritten), rewrite_expand),
      in_copies(mover("Tile", tile, tiled, nullptr, kRewritten), rewrite_tile),
      mover("DepthToSpace", depth_to_space, nullptr, espdl::lower_depth_space, kChannelsLast),
      mover("SpaceToDepth", space_to_depth, nullptr, espdl::lower_depth_space, kChannelsLast),
      noted(mover("StreamingCache", streaming_cache, nullptr, nullptr, kRewritten),
            "made for a model that runs frame by frame; files that hold it run"),
  };
}

}  // namespace shrike::operators
