// Operators that move elements.
#include <algorithm>
#include <numeric>
#include <optional>

#include "toolchain/import/tflite/converter.h"

namespace shrike::graph::tflite {

int64_t Converter::axis_of(int64_t axis, int32_t index) const {
  if (axis < -rank(index) || axis >= rank(index))
    refuse("axis {} is out of range for rank {}", axis, rank(index));
  return axis < 0 ? axis + rank(index) : axis;
}

// The order of what is left of a tensor when the file's `axes` (sorted) are dropped.
Order Converter::without(const Order& order, const std::vector<int64_t>& axes) {
  Order left;
  for (const int64_t axis : order) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    left.push_back(axis -
                   std::count_if(axes.begin(), axes.end(), [&](int64_t dropped) { return dropped < axis; }));
  }
  return left;
}

// RESHAPE, SQUEEZE, EXPAND_DIMS: the result's shape is in the file.
void Converter::reshape(const Operator& op) {
  const int32_t x = input(op, 0), y = op.outputs[0];
  const Shape from = shape(x), to = shape(y);
  if (element_count(from) != element_count(to))
    refuse("[{}] cannot become [{}]", fmt::join(from, ","), fmt::join(to, ","));
  if (is_constant(x)) {
    set(y, reshaped(bring(x, identity(from.size())), to), identity(to.size()));
    return;
  }
  const State in = state(x);
  // Axes of one entry may stand anywhere.
  const auto long_axes = [](const Shape& shape, const Order& order) {
    Order kept;
    for (const int64_t axis : order) {
      if (shape[static_cast<size_t>(axis)] != 1) kept.push_back(axis);
    }
    return kept;
  };
  const auto sequential = [&](const Shape& shape, const Order& order) {
    const Order kept = long_axes(shape, order);
    return std::is_sorted(kept.begin(), kept.end());
  };
  const bool is_batch_of_one = from.size() == 4 && from[0] == 1;
  if (in.flat_image.empty() && !sequential(from, in.order) && in.order == image() && is_batch_of_one &&
      to == Shape{1, element_count(from)} && only_read_by(y, {9}, 0)) {
    set(y, reshaped(in.name, to), identity(2));
    states_[static_cast<size_t>(y)].flat_image = {from[1], from[2], from[3]};
    return;
  }
  std::string data = in.name;
  Order order = in.order;
  if (!in.flat_image.empty() || !sequential(from, in.order)) {
    order = identity(from.size());
    data = bring(x, order);
  }
  const Order wanted = to.size() == 4 && sequential(to, image()) ? image() : identity(to.size());
  if (in_order(from, order) != in_order(to, wanted)) data = reshaped(data, in_order(to, wanted));
  set(y, data, wanted);
}

// No node: the same IR tensor, whose axes are the result's in another order.
void Converter::transpose(const Operator& op) {
  const int32_t x = input(op, 0);
  const std::vector<int64_t> perm = integers(input(op, 1), "the permutation");
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  if (perm.size() != shape(x).size() || sorted != identity(perm.size()))
    refuse("[{}] is no permutation of {} axes", fmt::join(perm, ","), rank(x));
  State in = state(x);
  if (!in.flat_image.empty()) in = {bring(x, identity(shape(x).size())), identity(shape(x).size()), {}};
  Order order;
  for (const int64_t axis : in.order)
    order.push_back(std::find(perm.begin(), perm.end(), axis) - perm.begin());
  set(op.outputs[0], in.name, order);
}

void Converter::concatenate(const Operator& op) {
  const int32_t y = op.outputs[0];
  const int64_t axis = axis_of(op.options.scalar<int32_t>(0, 0), y);
  Order order = identity(shape(y).size());
  for (size_t i = op.inputs.size(); i-- > 0;) {
    if (rank(input(op, i)) != rank(y)) refuse("inputs of rank {} were expected", rank(y));
    if (!is_constant(op.inputs[i]) && state(op.inputs[i]).flat_image.empty())
      order = state(op.inputs[i]).order;
  }
  std::vector<std::string> parts;
  for (const int32_t part : op.inputs) parts.push_back(bring(part, order));
  const std::string joined = node("Concat", std::move(parts), {{"axis", position(order, axis)}});
  set(y, activated(joined, op.options.scalar<int8_t>(1, 0)), order);
}

// Inputs (axis, value): parts of equal size.
void Converter::split(const Operator& op) {
  const std::vector<int64_t> axis = integers(input(op, 0), "the axis");
  const int32_t x = input(op, 1);
  const auto parts = static_cast<int64_t>(op.outputs.size());
  if (axis.size() != 1) refuse("one axis was expected, found {}", axis.size());
  const int64_t size = shape(x)[static_cast<size_t>(axis_of(axis[0], x))];
  if (size % parts != 0) refuse("an axis of {} does not divide by {}", size, parts);
  write_split(op, x, axis_of(axis[0], x), std::vector<int64_t>(op.outputs.size(), size / parts));
}

// Inputs (value, sizes, axis).
void Converter::split_sizes(const Operator& op) {
  const int32_t x = input(op, 0);
  const std::vector<int64_t> axis = integers(input(op, 2), "the axis");
  std::vector<int64_t> sizes = integers(input(op, 1), "the sizes");
  if (axis.size() != 1 || sizes.size() != op.outputs.size())
    refuse("one axis and a size a part were expected");
  const int64_t place = axis_of(axis[0], x);
  for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = shape(op.outputs[i]).at(static_cast<size_t>(place));
  write_split(op, x, place, sizes);
}

void Converter::write_split(const Operator& op, int32_t x, int64_t axis, const std::vector<int64_t>& sizes) {
  const Order order =
      is_constant(x) || !state(x).flat_image.empty() ? identity(shape(x).size()) : state(x).order;
  const std::string list = writer_.integers(name("Split") + "/split", sizes);
  const auto parts = writer_.node("Split", name("Split"), {bring(x, order), list},
                                  {{"axis", position(order, axis)}}, op.outputs.size());
  for (size_t i = 0; i < parts.size(); ++i) set(op.outputs[i], parts[i], order);
}

// A slice with step 1 along one axis that keeps the rank; nothing for any other.
std::optional<Converter::Part> Converter::part_of(const Operator& op) const {
  const auto masks = [&](int slot) { return op.options.scalar<int32_t>(slot, 0); };
  if (op.code != 45 || op.inputs.size() < 4 || op.outputs.size() != 1 || masks(2) != 0 || masks(3) != 0 ||
      masks(4) != 0 || op.options.scalar<uint8_t>(5, 0) != 0)
    return std::nullopt;
  for (size_t slot = 1; slot < 4; ++slot) {
    if (!has_input(op, slot) || !is_constant(op.inputs[slot])) return std::nullopt;
  }
  const std::vector<int64_t> begin = integers(op.inputs[1], "the begin"),
                             end = integers(op.inputs[2], "the end");
  const std::vector<int64_t> strides = integers(op.inputs[3], "the strides");
  const Shape& size = shape(op.inputs[0]);
  std::optional<Part> part;
  for (size_t i = 0; i < size.size(); ++i) {
    if (begin.size() != size.size() || end.size() != size.size() || strides.size() != size.size() ||
        strides[i] != 1)
      return std::nullopt;
    const int64_t first = (masks(0) >> i & 1) != 0 ? 0 : begin[i];
    const int64_t last = (masks(1) >> i & 1) != 0 ? size[i] : end[i];
    if (first == 0 && last >= size[i]) continue;
    if (part || first < 0 || last <= first || last > size[i]) return std::nullopt;
    part = Part{static_cast<int64_t>(i), first, last, op.outputs[0]};
  }
  return part;
}

// PyTorch's split arrives as one slice for each part: together again, they are one Split.
bool Converter::join_slices(const Operator& op) {
  const auto own = part_of(op);
  const int32_t x = input(op, 0);
  constexpr size_t kMostReaders = 1000;  // every slice looks at all of them
  if (!own || readers_[static_cast<size_t>(x)].size() > kMostReaders) return false;
  std::vector<Part> parts;
  for (const size_t reader : readers_[static_cast<size_t>(x)]) {
    const Operator& other = model_.operators[reader];
    if (other.inputs[0] != x) continue;
    if (const auto part = part_of(other); part && part->axis == own->axis) parts.push_back(*part);
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.first < b.first; });
  std::vector<int64_t> sizes;
  int64_t covered = 0;
  for (const Part& part : parts) {
    if (part.first != covered) return false;
    covered = part.last;
    sizes.push_back(part.last - part.first);
  }
  if (parts.size() < 2 || covered != shape(x)[static_cast<size_t>(own->axis)]) return false;
  const Order order =
      is_constant(x) || !state(x).flat_image.empty() ? identity(shape(x).size()) : state(x).order;
  const std::string list = writer_.integers(name("Split") + "/split", sizes);
  const auto made = writer_.node("Split", name("Split"), {bring(x, order), list},
                                 {{"axis", position(order, own->axis)}}, parts.size());
  for (size_t i = 0; i < made.size(); ++i) set(parts[i].output, made[i], order);
  return true;
}

void Converter::strided_slice(const Operator& op) {
  if (!states_[static_cast<size_t>(op.outputs[0])].name.empty() || join_slices(op)) return;
  const int32_t x = input(op, 0);
  std::vector<int64_t> begin = integers(input(op, 1), "the begin"), end = integers(input(op, 2), "the end");
  const std::vector<int64_t> strides = integers(input(op, 3), "the strides");
  const auto masks = [&](int slot) { return op.options.scalar<int32_t>(slot, 0); };
  if (masks(2) != 0 || masks(3) != 0) refuse("an ellipsis or a new axis is not supported");
  if (begin.size() > shape(x).size() || end.size() != begin.size() || strides.size() != begin.size())
    refuse("begin, end and strides of {} axes were expected", rank(x));
  const bool offset = op.options.scalar<uint8_t>(5, 0) != 0;
  const Order order =
      is_constant(x) || !state(x).flat_image.empty() ? identity(shape(x).size()) : state(x).order;
  constexpr int64_t kEnd = int64_t{1} << 31;
  std::vector<int64_t> starts, ends, axes, steps, dropped;
  for (size_t i = 0; i < begin.size(); ++i) {
    const auto has_bit = [&](int slot) { return (masks(slot) >> i & 1) != 0; };
    const bool forward = strides[i] > 0;
    int64_t first = has_bit(0) ? (forward ? 0 : kEnd) : begin[i];
    int64_t last = has_bit(1) ? (forward ? kEnd : -kEnd) : offset ? begin[i] + end[i] : end[i];
    if (has_bit(4)) {  // one entry, and the axis goes
      last = first == -1 ? kEnd : first + 1;
      dropped.push_back(static_cast<int64_t>(i));
    }
    const int64_t size = shape(x)[i];
    if (first == 0 && last >= size && strides[i] == 1 && !has_bit(4)) continue;
    starts.push_back(first);
    ends.push_back(last);
    axes.push_back(position(order, static_cast<int64_t>(i)));
    steps.push_back(strides[i]);
  }
  std::string y = bring(x, order);
  if (!axes.empty()) {
    const std::string stem = name("Slice");
    y = node("Slice", {y, writer_.integers(stem + "/starts", starts), writer_.integers(stem + "/ends", ends),
                       writer_.integers(stem + "/axes", axes), writer_.integers(stem + "/steps", steps)});
  }
  const Order left = without(order, dropped);
  if (left.size() != shape(op.outputs[0]).size()) refuse("its result has another rank than its masks say");
  if (!dropped.empty()) y = reshaped(y, in_order(shape(op.outputs[0]), left));
  set(op.outputs[0], y, left);
}

void Converter::slice(const Operator& op) {
  const int32_t x = input(op, 0);
  const std::vector<int64_t> begin = integers(input(op, 1), "the begin");
  const Shape& size = shape(op.outputs[0]);
  if (begin.size() != shape(x).size() || size.size() != begin.size())
    refuse("a begin for each axis was expected");
  const Order order =
      is_constant(x) || !state(x).flat_image.empty() ? identity(shape(x).size()) : state(x).order;
  std::vector<int64_t> starts, ends, axes;
  for (size_t i = 0; i < begin.size(); ++i) {
    if (size[i] == shape(x)[i]) continue;
    starts.push_back(begin[i]);
    ends.push_back(begin[i] + size[i]);
    axes.push_back(position(order, static_cast<int64_t>(i)));
  }
  std::string y = bring(x, order);
  const std::string stem = name("Slice");
  if (!axes.empty())
    y = node("Slice", {y, writer_.integers(stem + "/starts", starts), writer_.integers(stem + "/ends", ends),
                       writer_.integers(stem + "/axes", axes)});
  set(op.outputs[0], y, order);
}

// PAD, PADV2 (with a value), MIRROR_PAD. Zeros around an image that only convolutions read are left to them.
void Converter::pad(const Operator& op) {
  const int32_t x = input(op, 0), y = op.outputs[0];
  const std::vector<int64_t> amounts = integers(input(op, 1), "the pads");  // [rank, 2]
  if (amounts.size() != 2 * shape(x).size()) refuse("two pads for each axis were expected");
  std::vector<float> value = {0};
  if (op.code == 60) value = floats(input(op, 2));
  if (value.size() != 1) refuse("one value was expected, found {}", value.size());
  const bool in_range =
      std::all_of(amounts.begin(), amounts.end(), [](int64_t n) { return n >= 0 && n < (1 << 16); });
  if (!in_range) refuse("pads of 0 to 65535 were expected, found [{}]", fmt::join(amounts, ","));
  const bool around_image = amounts.size() == 8 && amounts[0] + amounts[1] + amounts[6] + amounts[7] == 0;
  if (op.code != 100 && value[0] == 0 && around_image && !is_constant(x) && only_read_by(y, {3, 4}, 0)) {
    padded_[y] = {x, {amounts[2], amounts[4], amounts[3], amounts[5]}};
    return;
  }
  const Order order =
      is_constant(x) || !state(x).flat_image.empty() ? identity(shape(x).size()) : state(x).order;
  std::vector<int64_t> pads;
  for (size_t side = 0; side < 2; ++side) {
    for (const int64_t axis : order) pads.push_back(amounts[2 * static_cast<size_t>(axis) + side]);
  }
  std::vector<std::string> inputs = {bring(x, order), writer_.integers(name("Pad") + "/pads", pads)};
  std::string mode = "constant";
  if (op.code == 100) {
    if (op.options.scalar<int8_t>(0, 0) != 0) refuse("symmetric padding is not supported");
    mode = "reflect";
  } else {
    inputs.push_back(writer_.constant(name("Pad") + "/value", {}, {value[0]}));
  }
  set(y, node("Pad", std::move(inputs), {{"mode", mode}}), order);
}

// PACK: a new axis, joined along it.
void Converter::pack(const Operator& op) {
  const int32_t y = op.outputs[0];
  const int64_t axis = axis_of(op.options.scalar<int32_t>(1, 0), y);
  Shape part = shape(y);
  part[static_cast<size_t>(axis)] = 1;
  std::vector<std::string> parts;
  for (const int32_t x : op.inputs) {
    if (element_count(shape(x)) != element_count(part))
      refuse("parts of the shape [{}] were expected", fmt::join(part, ","));
    parts.push_back(reshaped(bring(x, identity(shape(x).size())), part));
  }
  set(y, node("Concat", std::move(parts), {{"axis", axis}}), identity(part.size()));
}

void Converter::unpack(const Operator& op) {
  const int32_t x = input(op, 0);
  const int64_t axis = axis_of(op.options.scalar<int32_t>(1, 0), x);
  if (shape(x)[static_cast<size_t>(axis)] != static_cast<int64_t>(op.outputs.size()))
    refuse("{} results were expected", shape(x)[static_cast<size_t>(axis)]);
  const Order order = identity(shape(x).size());
  const std::string sizes =
      writer_.integers(name("Split") + "/split", std::vector<int64_t>(op.outputs.size(), 1));
  const auto parts =
      writer_.node("Split", name("Split"), {bring(x, order), sizes}, {{"axis", axis}}, op.outputs.size());
  for (size_t i = 0; i < parts.size(); ++i)
    set(op.outputs[i], reshaped(parts[i], shape(op.outputs[i])), identity(shape(op.outputs[i]).size()));
}

void Converter::gather(const Operator& op) {
  const int32_t x = input(op, 0);
  if (op.options.scalar<int32_t>(1, 0) != 0) refuse("batches of indices are not supported");
  const int64_t axis = axis_of(op.options.scalar<int32_t>(0, 0), x);
  const std::string indices = state(input(op, 1)).name;
  const std::string y = node("Gather", {bring(x, identity(shape(x).size())), indices}, {{"axis", axis}});
  set(op.outputs[0], y, identity(shape(op.outputs[0]).size()));
}

void Converter::depth_to_space(const Operator& op) {
  const int32_t x = input(op, 0);
  if (rank(x) != 4) refuse("an image was expected");
  const int64_t block = op.options.scalar<int32_t>(0, 0);
  Attributes attributes = {{"blocksize", block}};
  if (op.code == 5) attributes["mode"] = std::string("DCR");
  set(op.outputs[0],
      node(op.code == 5 ? "DepthToSpace" : "SpaceToDepth", {bring(x, image())}, std::move(attributes)),
      image());
}

// Shapes are fixed: a constant.
void Converter::shape_of(const Operator& op) {
  set(op.outputs[0], writer_.integers(name("Shape"), shape(input(op, 0))), identity(1));
}

}  // namespace shrike::graph::tflite
