#include "tests/espdl/reference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace shrike::espdl::tests {
namespace {

using graph::Format;
using graph::Graph;
using graph::Node;
using graph::Shape;

// Visits every index of a shape, last axis fastest.
void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& visit) {
  Shape index(shape.size(), 0);
  for (;;) {
    visit(index);
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

size_t offset_of(const Shape& shape, const Shape& index) {  // broadcast: axes of size 1, missing leading axes
  int64_t offset = 0;
  const size_t skip = index.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    offset = offset * shape[i] + (shape[i] == 1 ? 0 : index[i + skip]);
  return static_cast<size_t>(offset);
}

class Evaluator {
 public:
  Evaluator(const Graph& graph, Target target) : graph_(graph), half_even_(target == Target::kEsp32p4) {
    // A sum that only a Relu reads is rounded once, to the Relu's format (numerics.md section 2).
    for (const Node& node : graph.nodes) {
      if (node.op != "Relu") continue;
      const Node& before = graph.nodes[static_cast<size_t>(std::max(0, graph.producer(node.inputs[0])))];
      const bool computes = before.op == "Conv" || before.op == "Gemm" || before.op == "MatMul";
      if (!computes || graph.consumers(node.inputs[0]).size() != 1) continue;
      graph_.tensor(node.inputs[0]).format = graph.tensor(node.outputs[0]).format;
    }
  }

  std::map<std::string, Values> run(const std::map<std::string, std::vector<int64_t>>& inputs) {
    for (const auto& [name, integers] : inputs) values_[name] = {graph_.tensor(name).shape, integers, {}};
    for (const auto& [name, tensor] : graph_.tensors) {
      if (tensor.constant) values_[name] = {tensor.shape, tensor.integers, tensor.values};
    }
    for (const Node& node : graph_.nodes) evaluate(node);
    return values_;
  }

 private:
  int64_t round(double value) const {
    return static_cast<int64_t>(half_even_ ? std::nearbyint(value) : std::floor(value + 0.5));
  }
  int64_t saturated(int64_t value, const Format& format) const {
    const int64_t limit = int64_t{1} << (format.bits - 1);
    return std::clamp(value, -limit, limit - 1);
  }
  // An exact integer at 2^exponent, brought to a format.
  int64_t shifted(int64_t value, int exponent, const Format& format) const {
    return saturated(round(std::ldexp(static_cast<double>(value), exponent - format.exponent)), format);
  }
  const Format& format(const std::string& name) const { return graph_.tensor(name).format; }
  int filter_exponent(const std::string& name, int64_t channel) const {
    const Format& f = format(name);
    return f.per_channel() ? f.channel_exponents[static_cast<size_t>(channel)] : f.exponent;
  }

  void evaluate(const Node& node) {
    const std::string& name = node.outputs[0];
    const Shape& shape = graph_.tensor(name).shape;
    Values out;
    out.shape = shape;
    const auto fill = [&](const std::function<int64_t(const Shape&)>& element) {
      for_each_index(shape, [&](const Shape& index) { out.integers.push_back(element(index)); });
    };
    const Values& x = values_.at(node.inputs[0]);
    const Format& to = format(name);
    const auto at = [](const Values& v, const Shape& index) { return v.integers[offset_of(v.shape, index)]; };
    const std::string& op = node.op;
    if (op == "Conv") {
      fill([&](const Shape& index) { return conv(node, x, index, to); });
    } else if (op == "ConvTranspose") {
      fill([&](const Shape& index) { return conv_transpose(node, x, index, to); });
    } else if (op == "Gemm") {
      const Values& w = values_.at(node.inputs[1]);
      const bool trans_b = node.integer("transB", 0) != 0, trans_a = node.integer("transA", 0) != 0;
      fill([&](const Shape& index) {
        const int64_t n = index[1], depth = trans_b ? w.shape[1] : w.shape[0];
        int64_t sum =
            node.inputs.size() > 2 ? values_.at(node.inputs[2]).integers[static_cast<size_t>(n)] : 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += at(x, trans_a ? Shape{k, index[0]} : Shape{index[0], k}) *
                 at(w, trans_b ? Shape{n, k} : Shape{k, n});
        }
        return shifted(sum, format(node.inputs[0]).exponent + filter_exponent(node.inputs[1], n), to);
      });
    } else if (op == "MatMul") {
      const Values& w = values_.at(node.inputs[1]);
      fill([&](const Shape& index) {
        int64_t sum = 0;
        Shape left = index, right = index;
        for (int64_t k = 0; k < x.shape.back(); ++k) {
          left.back() = k;
          right[right.size() - 2] = k;
          sum += at(x, left) * at(w, right);
        }
        return shifted(sum, format(node.inputs[0]).exponent + format(node.inputs[1]).exponent, to);
      });
    } else if (op == "Add" || op == "Sub" || op == "Mul") {
      const Values& y = values_.at(node.inputs[1]);
      fill([&](const Shape& index) {
        const int64_t a = at(x, index), b = at(y, index);
        if (op == "Mul")
          return shifted(a * b, format(node.inputs[0]).exponent + format(node.inputs[1]).exponent, to);
        return saturated(op == "Add" ? a + b : a - b, to);
      });
    } else if (op == "RequantizeLinear") {
      fill([&](const Shape& index) { return shifted(at(x, index), format(node.inputs[0]).exponent, to); });
    } else if (op == "QuantizeLinear") {
      fill([&](const Shape& index) {
        return saturated(round(std::ldexp(x.floats[offset_of(x.shape, index)], -to.exponent)), to);
      });
    } else if (op == "Softmax") {
      softmax(node, x, out);
    } else if (op == "Swish" || op == "Sigmoid" || op == "Relu" || op == "LeakyRelu" || op == "PRelu" ||
               op == "Clip") {
      fill([&](const Shape& index) { return activation(node, at(x, index), index, to); });
    } else if (op == "Concat") {
      const size_t axis = static_cast<size_t>(node.integer("axis", 0));
      fill([&](const Shape& index) {
        Shape inner = index;
        size_t part = 0;
        while (inner[axis] >= values_.at(node.inputs[part]).shape[axis]) {
          inner[axis] -= values_.at(node.inputs[part++]).shape[axis];
        }
        return at(values_.at(node.inputs[part]), inner);
      });
    } else if (op == "Split") {
      const size_t axis = static_cast<size_t>(node.integer("axis", 0));
      int64_t start = 0;
      for (const std::string& part : node.outputs) {
        Values piece;
        piece.shape = graph_.tensor(part).shape;
        for_each_index(piece.shape, [&](const Shape& index) {
          Shape outer = index;
          outer[axis] += start;
          piece.integers.push_back(at(x, outer));
        });
        start += piece.shape[axis];
        values_[part] = piece;
      }
      return;
    } else if (op == "Transpose") {
      const std::vector<int64_t> perm = node.integers("perm");
      fill([&](const Shape& index) {
        Shape source(index.size());
        for (size_t i = 0; i < perm.size(); ++i) source[static_cast<size_t>(perm[i])] = index[i];
        return at(x, source);
      });
    } else if (op == "Reshape" || op == "Flatten") {
      out.integers = x.integers;
    } else if (op == "MaxPool" || op == "AveragePool") {
      fill([&](const Shape& index) { return pool(node, x, index, to); });
    } else if (op == "Resize") {
      fill([&](const Shape& index) {
        Shape source = index;
        for (size_t i = 0; i < shape.size(); ++i) source[i] = index[i] * x.shape[i] / shape[i];
        return at(x, source);
      });
    } else if (op == "Slice") {
      const auto& starts = values_.at(node.inputs[1]).integers;
      const auto& axes = values_.at(node.inputs[3]).integers;
      const auto steps = node.inputs.size() > 4 ? values_.at(node.inputs[4]).integers : Shape(axes.size(), 1);
      fill([&](const Shape& index) {
        Shape source = index;
        for (size_t i = 0; i < axes.size(); ++i) {
          int64_t& place = source[static_cast<size_t>(axes[i])];
          place = starts[i] + place * steps[i];
        }
        return at(x, source);
      });
    } else if (op == "Pad") {
      const auto& pads = values_.at(node.inputs[1]).integers;
      const float fill_value = values_.at(node.inputs[2]).floats[0];
      fill([&](const Shape& index) {
        Shape source = index;
        for (size_t i = 0; i < shape.size(); ++i) {
          source[i] -= pads[i];
          if (source[i] < 0 || source[i] >= x.shape[i]) {
            return saturated(round(std::ldexp(fill_value, -to.exponent)), to);
          }
        }
        return at(x, source);
      });
    } else if (op == "ReduceMean") {
      const auto& axes = values_.at(node.inputs[1]).integers;
      fill([&](const Shape& index) { return reduce_mean(node, x, axes, index, to); });
    } else {
      throw std::logic_error("the reference does not know " + op);
    }
    values_[name] = out;
  }

  int64_t conv(const Node& node, const Values& x, const Shape& index, const Format& to) const {
    const Values& w = values_.at(node.inputs[1]);
    const std::vector<int64_t> strides = node.integers("strides"), dilations = node.integers("dilations"),
                               pads = node.integers("pads");
    const bool depthwise = node.integer("group", 1) > 1;
    const int64_t n = index[1];
    int64_t sum = node.inputs.size() > 2 ? values_.at(node.inputs[2]).integers[static_cast<size_t>(n)] : 0;
    // A 1-D convolution is one of height 1.
    const bool flat = w.shape.size() == 3;
    const int64_t width = x.shape.back(), height = flat ? 1 : x.shape[2], channels = w.shape[1];
    const int64_t kernel_width = w.shape.back(), kernel_height = flat ? 1 : w.shape[2];
    const int64_t top = flat ? 0 : index[2] * strides[0] - pads[0],
                  left = index.back() * strides.back() - pads[flat ? 0 : 1];
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t kh = 0; kh < kernel_height; ++kh) {
        const int64_t h = top + kh * (flat ? 1 : dilations[0]);
        if (h < 0 || h >= height) continue;
        for (int64_t kw = 0; kw < kernel_width; ++kw) {
          const int64_t v = left + kw * dilations.back();
          if (v < 0 || v >= width) continue;
          const int64_t channel = index[0] * x.shape[1] + (depthwise ? n : c);
          sum +=
              x.integers[static_cast<size_t>((channel * height + h) * width + v)] *
              w.integers[static_cast<size_t>(((n * channels + c) * kernel_height + kh) * kernel_width + kw)];
        }
      }
    }
    return shifted(sum, format(node.inputs[0]).exponent + filter_exponent(node.inputs[1], n), to);
  }

  int64_t conv_transpose(const Node& node, const Values& x, const Shape& index, const Format& to) const {
    const Values& w = values_.at(node.inputs[1]);  // [C, N, kernel...]
    const std::vector<int64_t> strides = node.integers("strides"), pads = node.integers("pads");
    const int64_t n = index[1];
    int64_t sum = node.inputs.size() > 2 ? values_.at(node.inputs[2]).integers[static_cast<size_t>(n)] : 0;
    Shape taps = {w.shape[0]};
    taps.insert(taps.end(), w.shape.begin() + 2, w.shape.end());
    for_each_index(taps, [&](const Shape& tap) {
      Shape source = {index[0], tap[0]}, weight = {tap[0], n};
      for (size_t i = 0; i + 1 < tap.size(); ++i) {
        const int64_t position = index[i + 2] + pads[i] - tap[i + 1];
        if (position < 0 || position % strides[i] != 0 || position / strides[i] >= x.shape[i + 2]) return;
        source.push_back(position / strides[i]);
        weight.push_back(tap[i + 1]);
      }
      sum += x.integers[offset_of(x.shape, source)] * w.integers[offset_of(w.shape, weight)];
    });
    return shifted(sum, format(node.inputs[0]).exponent + filter_exponent(node.inputs[1], n), to);
  }

  int64_t pool(const Node& node, const Values& x, const Shape& index, const Format& to) const {
    const std::vector<int64_t> kernel = node.integers("kernel_shape"), strides = node.integers("strides"),
                               pads = node.integers("pads");
    int64_t largest = -40000, sum = 0, area = 1;
    for (const int64_t k : kernel) area *= k;
    for_each_index(kernel, [&](const Shape& tap) {
      Shape source = {index[0], index[1]};
      for (size_t i = 0; i < kernel.size(); ++i) {
        source.push_back(index[i + 2] * strides[i] + tap[i] - pads[i]);
        if (source.back() < 0 || source.back() >= x.shape[i + 2]) return;
      }
      largest = std::max(largest, x.integers[offset_of(x.shape, source)]);
      sum += x.integers[offset_of(x.shape, source)];
    });
    if (node.op == "MaxPool") return largest;
    const float factor =
        std::ldexp(1.0f / static_cast<float>(area), format(node.inputs[0]).exponent - to.exponent);
    return saturated(round(static_cast<float>(sum) * factor), to);
  }

  int64_t reduce_mean(const Node& node, const Values& x, const std::vector<int64_t>& axes, const Shape& index,
                      const Format& to) const {
    Shape full = index;
    if (node.integer("keepdims", 1) == 0) {
      for (const int64_t axis : axes) full.insert(full.begin() + axis, 0);
    }
    Shape extent;
    int64_t count = 1, sum = 0;
    for (const int64_t axis : axes) {
      extent.push_back(x.shape[static_cast<size_t>(axis)]);
      count *= extent.back();
    }
    for_each_index(extent, [&](const Shape& inner) {
      Shape source = full;
      for (size_t i = 0; i < axes.size(); ++i) source[static_cast<size_t>(axes[i])] = inner[i];
      sum += x.integers[offset_of(x.shape, source)];
    });
    const float mean =
        std::ldexp(static_cast<float>(sum), format(node.inputs[0]).exponent) / static_cast<float>(count);
    return saturated(round(std::ldexp(mean, -to.exponent)), to);
  }

  void softmax(const Node& node, const Values& x, Values& out) const {
    const size_t axis = static_cast<size_t>(
        node.integer("axis", -1) < 0 ? node.integer("axis", -1) + static_cast<int64_t>(x.shape.size())
                                     : node.integer("axis", -1));
    const int exponent = format(node.inputs[0]).exponent;
    for_each_index(x.shape, [&](const Shape& index) {
      double sum = 0;
      Shape other = index;
      for (other[axis] = 0; other[axis] < x.shape[axis]; ++other[axis]) {
        sum += std::exp(std::ldexp(static_cast<double>(x.integers[offset_of(x.shape, other)]), exponent));
      }
      const double own =
          std::exp(std::ldexp(static_cast<double>(x.integers[offset_of(x.shape, index)]), exponent));
      out.floats.push_back(static_cast<float>(own / sum));
    });
  }

  int64_t activation(const Node& node, int64_t q, const Shape& index, const Format& to) const {
    const Format& from = format(node.inputs[0]);
    const bool coarse = to.bits == 16 && (node.op == "Swish" || node.op == "Sigmoid");
    if (coarse) {  // nearest of the entries 32 apart
      q = round(static_cast<double>(q + 32768) / 32) * 32 - 32768;
    }
    const float x = std::ldexp(static_cast<float>(q), from.exponent);
    float y = 0;
    if (node.op == "Swish") y = x * (1.0f / (1.0f + std::exp(-x)));
    if (node.op == "Sigmoid") y = 1.0f / (1.0f + std::exp(-x));
    if (node.op == "Relu") y = std::max(x, 0.0f);
    if (node.op == "LeakyRelu") y = x >= 0 ? x : node.real("alpha", 0.01f) * x;
    if (node.op == "PRelu") {
      const Values& slope = values_.at(node.inputs[1]);
      const int64_t a = slope.integers[slope.integers.size() == 1 ? 0 : static_cast<size_t>(index[1])];
      return q >= 0 ? shifted(q, from.exponent, to)
                    : shifted(q * a, from.exponent + format(node.inputs[1]).exponent, to);
    }
    if (node.op == "Clip") {
      const float low = values_.at(node.inputs[1]).floats[0], high = values_.at(node.inputs[2]).floats[0];
      const auto on_grid = [&](float bound) {
        return saturated(round(std::ldexp(bound, -from.exponent)), from);
      };
      return shifted(std::clamp(q, on_grid(low), on_grid(high)), from.exponent, to);
    }
    return saturated(round(std::ldexp(y, -to.exponent)), to);
  }

  Graph graph_;
  bool half_even_;
  std::map<std::string, Values> values_;
};

}  // namespace

std::map<std::string, Values> evaluate(const Graph& graph, Target target,
                                       const std::map<std::string, std::vector<int64_t>>& inputs) {
  return Evaluator(graph, target).run(inputs);
}

}  // namespace shrike::espdl::tests
