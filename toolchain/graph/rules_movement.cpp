// Shape rules of operators that move elements without computing.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/graph/inference.h"

namespace shrike::graph {
namespace {

void shape_of(const RuleContext& c) {
  const int64_t rank = c.rank(0);
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const int64_t start = clamp(c.node.integer("start", 0));
  const int64_t end = clamp(c.node.integer("end", rank));
  c.set(0, {std::max<int64_t>(0, end - start)}, ElementType::kInt64);
}

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
  const int64_t total = element_count(c.shape(0));
  if (open >= 0 && known > 0) target[static_cast<size_t>(open)] = total / known;
  if (std::any_of(target.begin(), target.end(), [](int64_t dim) { return dim < 0; }) ||
      element_count(target) != total) {
    c.fail("the input [{}] cannot be reshaped to [{}]", fmt::join(c.shape(0), ","),
           fmt::join(c.integers(1, "the target shape"), ","));
  }
  c.set(std::move(target));
}

void flatten(const RuleContext& c) {
  const int64_t axis = c.node.integer("axis", 1);
  if (axis < -c.rank(0) || axis > c.rank(0)) c.fail("axis {} is out of range for rank {}", axis, c.rank(0));
  const auto split = c.shape(0).begin() + (axis < 0 ? axis + c.rank(0) : axis);
  c.set({element_count(Shape(c.shape(0).begin(), split)), element_count(Shape(split, c.shape(0).end()))});
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

void concat(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  Shape result = c.shape(0);
  for (size_t slot = 1; slot < c.node.inputs.size(); ++slot) {
    Shape other = c.shape(slot);
    if (other.size() == result.size()) {
      result[axis] += other[axis];
      other[axis] = result[axis];
    }
    if (other != result) {
      c.fail("inputs '{}' [{}] and '{}' [{}] cannot be joined on axis {}", c.node.inputs[0],
             fmt::join(c.shape(0), ","), c.node.inputs[slot], fmt::join(c.shape(slot), ","), axis);
    }
  }
  c.set(std::move(result));
}

void split(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", 0), c.rank(0)));
  const int64_t size = c.shape(0)[axis];
  const auto parts = static_cast<int64_t>(c.node.outputs.size());
  std::vector<int64_t> sizes;
  if (c.has(1)) {
    sizes = c.integers(1, "the sizes");
  } else {
    const int64_t part = (size + parts - 1) / parts;  // the last one is smaller when it does not divide
    for (int64_t i = 0; i < parts; ++i) sizes.push_back(std::clamp<int64_t>(size - i * part, 0, part));
  }
  const bool negative = std::any_of(sizes.begin(), sizes.end(), [](int64_t part) { return part < 0; });
  if (negative || static_cast<int64_t>(sizes.size()) != parts ||
      std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != size) {
    c.fail("an axis of {} cannot be split into {} parts of [{}]", size, parts, fmt::join(sizes, ","));
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape part = c.shape(0);
    part[axis] = sizes[i];
    c.set(i, std::move(part), c.type(0));
  }
}

void slice(const RuleContext& c) {
  c.set(Shape(resolve_slice(c).count));
}

void gather(const RuleContext& c) {
  const int64_t axis = c.axis(c.node.integer("axis", 0), c.rank(0));
  Shape result(c.shape(0).begin(), c.shape(0).begin() + axis);
  result.insert(result.end(), c.shape(1).begin(), c.shape(1).end());
  result.insert(result.end(), c.shape(0).begin() + axis + 1, c.shape(0).end());
  c.set(std::move(result));
}

void gather_elements(const RuleContext& c) {
  c.set(c.shape(1));
}

void expand(const RuleContext& c) {
  const Shape target = c.integers(1, "the target shape");
  Shape result;
  if (std::any_of(target.begin(), target.end(), [](int64_t dim) { return dim < 0; }) ||
      !broadcast(c.shape(0), target, &result)) {
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

void pad(const RuleContext& c) {
  if (c.has(3)) c.fail("pads for some axes only are not supported");
  const auto pads = c.integers(1, "the pads");
  const size_t rank = c.shape(0).size();
  if (pads.size() != 2 * rank) c.fail("{} pads were expected, found {}", 2 * rank, pads.size());
  Shape result = c.shape(0);
  for (size_t i = 0; i < rank; ++i) {
    for (const int64_t amount : {pads[i], pads[rank + i]}) {
      if (amount < -(1 << 24) || amount > (1 << 24)) c.fail("a pad of {} is not sensible", amount);
      result[i] += amount;
    }
  }
  c.set(std::move(result));
}

void resize(const RuleContext& c) {
  const size_t rank = c.shape(0).size();
  Shape result = c.shape(0);
  if (c.has(3)) {
    const auto sizes = c.integers(3, "the sizes");
    if (sizes.size() != rank) c.fail("{} sizes were expected, found {}", rank, sizes.size());
    result = sizes;
  } else {
    if (!c.has(2)) c.fail("neither scales nor sizes are given");
    const auto scales = c.reals(2, "the scales");
    if (scales.size() != rank) c.fail("{} scales were expected, found {}", rank, scales.size());
    for (size_t i = 0; i < rank; ++i) {
      if (!(scales[i] > 0) || scales[i] > 4096) c.fail("a scale of {} is not sensible", scales[i]);
      result[i] = static_cast<int64_t>(std::floor(static_cast<double>(result[i]) * scales[i]));
    }
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

}  // namespace

ResolvedSlice resolve_slice(const RuleContext& c) {
  const Shape& shape = c.shape(0);
  const auto starts = c.integers(1, "the starts");
  const auto ends = c.integers(2, "the ends");
  std::vector<int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (c.has(3)) axes = c.integers(3, "the axes");
  axes = c.axes(axes, c.rank(0));
  std::vector<int64_t> steps(starts.size(), 1);
  if (c.has(4)) steps = c.integers(4, "the steps");
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    c.fail("starts, ends, axes and steps differ in length");
  }
  ResolvedSlice result{std::vector<int64_t>(shape.size(), 0), std::vector<int64_t>(shape.size(), 1), shape};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    const int64_t size = shape[axis];
    const int64_t step = steps[i];
    if (step == 0 || step < -(int64_t{1} << 31) || step > (int64_t{1} << 31))
      c.fail("a step of {} is not sensible", step);
    if (size == 0) continue;
    const auto from_end = [&](int64_t index) { return index < 0 ? index + size : index; };
    const bool forward = step > 0;
    const int64_t start = std::clamp<int64_t>(from_end(starts[i]), 0, forward ? size : size - 1);
    const int64_t end = std::clamp<int64_t>(from_end(ends[i]), forward ? 0 : -1, size);
    const int64_t distance = forward ? end - start : start - end;
    const int64_t pace = std::abs(step);
    result.start[axis] = start;
    result.step[axis] = step;
    result.count[axis] = distance <= 0 ? 0 : (distance + pace - 1) / pace;
  }
  return result;
}

const std::map<std::string, Rule>& movement_rules() {
  static const std::map<std::string, Rule> rules = {
      {"Shape", shape_of},
      {"Reshape", reshape},
      {"Flatten", flatten},
      {"Transpose", transpose},
      {"Squeeze", squeeze},
      {"Unsqueeze", unsqueeze},
      {"Concat", concat},
      {"Split", split},
      {"Slice", slice},
      {"Gather", gather},
      {"GatherElements", gather_elements},
      {"Expand", expand},
      {"Tile", tile},
      {"Pad", pad},
      {"Resize", resize},
      {"DepthToSpace", depth_to_space},
      {"SpaceToDepth", space_to_depth},
      {"StreamingCache", streaming_cache},
  };
  return rules;
}

}  // namespace shrike::graph
