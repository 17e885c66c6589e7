// Reductions over axes, Softmax and the normalisations.
#include <algorithm>
#include <numeric>

#include "toolchain/engine/operators.h"

namespace shrike::engine {
namespace {

struct Reduction {
  std::vector<int64_t> axes;
  bool keep = true;
  int64_t count = 1;  // elements reduced to one
};

Reduction read_reduction(const Call& call) {
  const at::Tensor& input = call.input(0);
  Reduction reduction;
  reduction.keep = call.node.integer("keepdims", 1) != 0;
  const auto given = call.integers(1, "axes");
  if (given && !given->empty()) {
    for (const int64_t value : *given) reduction.axes.push_back(call.axis(value, input.dim()));
  } else if (call.node.integer("noop_with_empty_axes", 0) == 0) {
    reduction.axes.resize(static_cast<size_t>(input.dim()));
    std::iota(reduction.axes.begin(), reduction.axes.end(), 0);
  }
  for (const int64_t axis : reduction.axes) reduction.count *= input.size(axis);
  return reduction;
}

// Sum in float64: exact for quantised data, and the same for any number of threads.
at::Tensor exact_sum(const at::Tensor& input, const Reduction& reduction) {
  return at::sum(input, reduction.axes, reduction.keep, at::kDouble);
}

Results reduce_sum(const Call& call) {
  const Reduction reduction = read_reduction(call);
  if (reduction.axes.empty()) return {call.input(0)};
  return {exact_sum(call.input(0), reduction)};
}

Results reduce_mean(const Call& call) {
  const Reduction reduction = read_reduction(call);
  if (reduction.axes.empty()) return {call.input(0)};
  // Divided in float32, as the chip (spec/numerics.md 11.3).
  return {exact_sum(call.input(0), reduction).to(at::kFloat) / static_cast<double>(reduction.count)};
}

Results reduce_max(const Call& call) {
  const Reduction reduction = read_reduction(call);
  if (reduction.axes.empty()) return {call.input(0)};
  return {at::amax(call.input(0), reduction.axes, reduction.keep)};
}

Results reduce_min(const Call& call) {
  const Reduction reduction = read_reduction(call);
  if (reduction.axes.empty()) return {call.input(0)};
  return {at::amin(call.input(0), reduction.axes, reduction.keep)};
}

Results reduce_l2(const Call& call) {
  const Reduction reduction = read_reduction(call);
  if (reduction.axes.empty()) return {call.input(0).abs()};
  return {at::sqrt(exact_sum(at::square(call.input(0).to(at::kDouble)), reduction))};
}

// The others of the family, in float64 throughout.
template <at::Tensor (*before)(const at::Tensor&), at::Tensor (*after)(const at::Tensor&)>
Results reduce_sum_of(const Call& call) {
  const Reduction reduction = read_reduction(call);
  const at::Tensor terms = before(call.input(0).to(at::kDouble));
  return {after(reduction.axes.empty() ? terms : exact_sum(terms, reduction))};
}

at::Tensor same(const at::Tensor& x) {
  return x;
}

Results reduce_prod(const Call& call) {
  const Reduction reduction = read_reduction(call);
  at::Tensor product = call.input(0).to(at::kDouble);
  std::vector<int64_t> axes = reduction.axes;
  std::sort(axes.rbegin(), axes.rend());  // from the back: the others keep their numbers
  for (const int64_t axis : axes) product = at::prod(product, axis, reduction.keep);
  return {product};
}

// One axis divided by its norm; all zeros stay zeros.
Results lp_normalization(const Call& call) {
  const at::Tensor input = call.input(0).to(at::kDouble);
  const int64_t axis = call.axis(call.node.integer("axis", -1), input.dim());
  const at::Tensor norm = call.node.integer("p", 2) == 1 ? at::sum(input.abs(), axis, true)
                                                         : at::sqrt(at::sum(at::square(input), axis, true));
  return {at::where(norm == 0, at::zeros({}, input.options()), input / norm)};
}

Results rms_normalization(const Call& call) {
  const at::Tensor input = call.input(0).to(at::kDouble);
  const int64_t axis = call.axis(call.node.integer("axis", -1), input.dim());
  std::vector<int64_t> axes;
  for (int64_t i = axis; i < input.dim(); ++i) axes.push_back(i);
  const double epsilon = call.node.real("epsilon", 1e-5f);
  return {input * at::rsqrt(at::mean(at::square(input), axes, true) + epsilon) * call.input(1)};
}

// Until opset 12 the axes from `axis` on were one.
at::Tensor softmax_rows(const Call& call,
                        at::Tensor (*function)(const at::Tensor&, int64_t, c10::optional<at::ScalarType>)) {
  const at::Tensor& input = call.input(0);
  const int64_t axis = call.axis(call.node.integer("axis", -1), input.dim());
  if (call.node.integer("flattens", 0) != 0)
    return function(input.flatten(axis).contiguous(), -1, c10::nullopt).reshape(input.sizes());
  // Along the last axis every row is computed alike; elsewhere LibTorch's vectors depend on the number of
  // threads.
  return function(input.transpose(axis, -1).contiguous(), -1, c10::nullopt).transpose(axis, -1);
}

Results softmax(const Call& call) {
  return {softmax_rows(call, at::softmax)};
}
Results log_softmax(const Call& call) {
  return {softmax_rows(call, at::log_softmax)};
}

Results layer_normalization(const Call& call) {
  const at::Tensor& input = call.input(0);
  if (call.node.outputs.size() > 1) call.refuse("only the first output is supported");
  const int64_t axis = call.axis(call.node.integer("axis", -1), input.dim());
  const std::vector<int64_t> shape = input.sizes().slice(static_cast<size_t>(axis)).vec();
  std::vector<int64_t> axes;
  for (int64_t i = axis; i < input.dim(); ++i) axes.push_back(i);
  const at::Tensor mean = at::mean(input, axes, true, at::kDouble);
  const at::Tensor centred = input.to(at::kDouble) - mean;
  const at::Tensor variance = at::mean(at::square(centred), axes, true);
  const double epsilon = call.node.real("epsilon", 1e-5f);
  at::Tensor result = centred * at::rsqrt(variance + epsilon) * call.input(1).reshape(shape);
  if (call.has(2)) result = result + call.input(2).reshape(shape);
  return {result};
}

Results batch_normalization(const Call& call) {
  const at::Tensor& input = call.input(0);
  std::vector<int64_t> shape(static_cast<size_t>(input.dim()), 1);
  shape[1] = -1;
  const at::Tensor scale =
      call.input(1).to(at::kDouble) *
      at::rsqrt(call.input(4).to(at::kDouble) + static_cast<double>(call.node.real("epsilon", 1e-5f)));
  const at::Tensor offset = call.input(2).to(at::kDouble) - call.input(3).to(at::kDouble) * scale;
  return {input * scale.to(at::kFloat).reshape(shape) + offset.to(at::kFloat).reshape(shape)};
}

}  // namespace

OperatorList reduction_operators() {
  return {{"ReduceSum", reduce_sum},
          {"ReduceMean", reduce_mean},
          {"ReduceMax", reduce_max},
          {"ReduceMin", reduce_min},
          {"ReduceL1", reduce_sum_of<at::abs, same>},
          {"ReduceL2", reduce_l2},
          {"ReduceLogSum", reduce_sum_of<same, at::log>},
          {"ReduceLogSumExp", reduce_sum_of<at::exp, at::log>},
          {"ReduceProd", reduce_prod},
          {"ReduceSumSquare", reduce_sum_of<at::square, same>},
          {"LpNormalization", lp_normalization},
          {"RMSNormalization", rms_normalization},
          {"Softmax", softmax},
          {"LogSoftmax", log_softmax},
          {"LayerNormalization", layer_normalization},
          {"BatchNormalization", batch_normalization}};
}

}  // namespace shrike::engine
