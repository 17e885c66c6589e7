#include "toolchain/transform/choose_rescaling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <set>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/activation.h"
#include "toolchain/measure/behind.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"
#include "toolchain/transform/channels.h"

namespace shrike::quantize {
namespace {

constexpr int kLowestCode = -128, kHighestCode = 127;
constexpr double kNoSignal = 1e-30;

using Samples = std::vector<std::vector<float>>;  // by image
using Function = std::function<float(float)>;

// Where scales can be chosen: the output of an activation, or of a convolution without one.
struct Source {
  const graph::Node* node = nullptr;
  bool after_convolution = false;  // an activation whose input is a convolution's alone
  bool fixed = false;              // read where no scale can be taken up
  bool shiftable = false;
  int parent = -1;                   // the source whose scale it shares
  std::vector<std::string> tensors;  // that have its scale alone: its output, sums
};

class Sources {
 public:
  Sources(const graph::Graph& graph, const std::map<std::string, int>& bits)
      : graph_(graph), links_(graph), bits_(bits) {
    for (const graph::Node& node : graph.nodes) visit(node);
    for (const std::string& output : graph.outputs) fix(output);
  }

  const std::vector<Source>& list() const { return list_; }
  int root(int source) const {
    while (list_[static_cast<size_t>(source)].parent >= 0) source = list_[static_cast<size_t>(source)].parent;
    return source;
  }

 private:
  static constexpr int kNone = -1;

  // The free table that alone reads a tensor, or null.
  const graph::Node* table_behind(const std::string& tensor) const {
    const graph::Node* const reader = activation_behind(graph_, links_, tensor);
    return reader != nullptr && is_free_table(*reader) ? reader : nullptr;
  }

  // A scale lives in the table: only functions that are written as one at the width of their output have any.
  bool is_free_table(const graph::Node& node) const {
    return operators::takes_scale(graph_, node, bits_.at(node.outputs[0]));
  }

  void visit(const graph::Node& node) {
    if (is_free_table(node)) {
      const auto producer = links_.producer.find(node.inputs[0]);
      const bool pair = producer != links_.producer.end() && producer->second >= 0 &&
                        operators::is_convolution(graph_.nodes[static_cast<size_t>(producer->second)]) &&
                        table_behind(node.inputs[0]) == &node;
      if (!pair) fix(node.inputs[0]);
      open(node, pair, true);
    } else if (operators::is_convolution(node)) {
      const std::vector<int64_t> pads = node.integers("pads");
      if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; })) pin(node.inputs[0]);
      if (table_behind(node.outputs[0]) == nullptr) open(node, false, false);
    } else if (carry(graph_, node, kNone, channels_)) {
      return;
    } else if (operators::find(node.op)->homogeneous && operators::is_function(graph_, node) &&
               channels_.contains(node.inputs[0])) {
      pin(node.inputs[0]);
      channels_[node.outputs[0]] = channels_.at(node.inputs[0]);
    } else if (operators::has_role(node.op, operators::Role::kSum) &&
               graph_.tensor(node.inputs[0]).shape == graph_.tensor(node.inputs[1]).shape) {
      join(node);
    } else {
      for (const std::string& input : node.inputs) fix(input);
    }
  }

  void open(const graph::Node& node, bool after_convolution, bool shiftable) {
    const graph::Shape& shape = graph_.tensor(node.outputs[0]).shape;
    if (shape.size() < 2) return;
    Source source;
    source.node = &node;
    source.after_convolution = after_convolution;
    source.shiftable = shiftable;
    source.tensors = {node.outputs[0]};
    channels_[node.outputs[0]].assign(static_cast<size_t>(shape[1]), static_cast<int>(list_.size()));
    list_.push_back(source);
  }

  void for_each_source(const std::string& tensor, const std::function<void(Source&)>& visit) {
    const auto found = channels_.find(tensor);
    if (found == channels_.end()) return;
    const std::set<int> sources(found->second.begin(), found->second.end());
    for (const int source : sources) {
      if (source != kNone) visit(list_[static_cast<size_t>(source)]);
    }
  }
  void fix(const std::string& tensor) {
    for_each_source(tensor, [&](Source& source) {
      source.shiftable = false;
      list_[static_cast<size_t>(root(static_cast<int>(&source - list_.data())))].fixed = true;
    });
  }
  void pin(const std::string& tensor) {
    for_each_source(tensor, [](Source& source) { source.shiftable = false; });
  }

  void join(const graph::Node& node) {
    const auto a = channels_.find(node.inputs[0]), b = channels_.find(node.inputs[1]);
    if (a == channels_.end() || b == channels_.end()) {
      for (const std::string& input : node.inputs) fix(input);
      return;
    }
    for (const std::string& input : node.inputs) pin(input);
    std::set<int> shared;
    for (size_t i = 0; i < a->second.size(); ++i) {
      if (a->second[i] == kNone || b->second[i] == kNone) {
        for (const std::string& input : node.inputs) fix(input);
        return;
      }
      shared.insert(a->second[i]);
      unite(a->second[i], b->second[i]);
    }
    channels_[node.outputs[0]] = a->second;
    if (shared.size() == 1)
      list_[static_cast<size_t>(root(*shared.begin()))].tensors.push_back(node.outputs[0]);
  }

  void unite(int a, int b) {
    const int left = root(a), right = root(b);
    if (left == right) return;
    Source& parent = list_[static_cast<size_t>(left)];
    Source& child = list_[static_cast<size_t>(right)];
    child.parent = left;
    parent.fixed |= child.fixed;
    parent.tensors.insert(parent.tensors.end(), child.tensors.begin(), child.tensors.end());
  }

  const graph::Graph& graph_;
  graph::Links links_;
  const std::map<std::string, int>& bits_;
  Channels<int> channels_;
  std::vector<Source> list_;
};

struct Range {
  double low = 0, high = 0;  // what the lowest and the highest code stand for
};

// The samples and what they are to be behind `function` (empty: itself).
class Judged {
 public:
  Judged(const Samples& samples, Function function) : samples_(samples), function_(std::move(function)) {
    for (const std::vector<float>& image : samples) {
      std::vector<float>& wanted = wanted_.emplace_back(image);
      if (function_) std::transform(image.begin(), image.end(), wanted.begin(), function_);
      double power = kNoSignal;
      for (const float value : wanted) power += value * value;
      power_.push_back(power);
    }
  }

  const Samples& samples() const { return samples_; }

  // Noise to signal, averaged over the images, when values are rounded to 256 steps between low and high.
  double noise(Range range) const {
    const double step = (range.high - range.low) / (kHighestCode - kLowestCode);
    if (!(step > 0)) return 1;
    CodeTable table;
    for (size_t code = 0; code < table.size(); ++code) {
      const float value = static_cast<float>(range.low + step * static_cast<double>(code));
      table[code] = function_ ? function_(value) : value;
    }
    const float inverse = static_cast<float>(1 / step), low = static_cast<float>(range.low);
    const float last = static_cast<float>(table.size() - 1);
    const auto code_of = [&](float x) {
      return static_cast<size_t>(std::clamp((x - low) * inverse + 0.5f, 0.0f, last));
    };
    double sum = 0;
    for (size_t image = 0; image < samples_.size(); ++image)
      sum += squared_error(samples_[image], wanted_[image], table, code_of) / power_[image];
    return sum / static_cast<double>(samples_.size());
  }

 private:
  const Samples& samples_;
  Function function_;
  Samples wanted_;
  std::vector<double> power_;
};

Range full_range(const Samples& samples) {
  Range range{1e30, -1e30};
  for (const std::vector<float>& image : samples) {
    for (const float x : image) {
      range.low = std::min<double>(range.low, x);
      range.high = std::max<double>(range.high, x);
    }
  }
  return range;
}

// Draws the ends of the range inwards, one after the other, as long as that pays.
Range best_range(const Judged& judged) {
  const Range full = full_range(judged.samples());
  Range best = full;
  if (!(full.high > full.low)) return best;
  double least = judged.noise(best);
  const auto attempt = [&](Range range) {
    const double noise = judged.noise(range);
    if (noise < least) {
      least = noise;
      best = range;
    }
  };
  for (int round = 0; round < recipe::kRangeRounds; ++round) {
    double share = 1;
    const Range start = best;
    for (int i = 0; i < recipe::kRangeSteps; ++i, share *= recipe::kRangeRatio)
      attempt({full.low * share, start.high});
    share = 1;
    const Range low = best;
    for (int i = 0; i < recipe::kRangeSteps; ++i, share *= recipe::kRangeRatio)
      attempt({low.low, full.high * share});
    if (best.low == start.low && best.high == start.high) break;
  }
  return best;
}

// The step of 256 codes around zero that loses least, summed over the tensors.
double best_step(const std::vector<const Samples*>& tensors) {
  double step = 0;
  std::vector<Judged> judged;
  for (const Samples* samples : tensors) {
    const Range full = full_range(*samples);
    step = std::max({step, full.high / kHighestCode, full.low / kLowestCode});
    judged.emplace_back(*samples, Function{});
  }
  double best = step, least = -1;
  for (int i = 0; i < recipe::kStepSteps; ++i, step *= recipe::kStepRatio) {
    double noise = 0;
    for (const Judged& tensor : judged) noise += tensor.noise({kLowestCode * step, kHighestCode * step});
    if (least < 0 || noise < least) {
      least = noise;
      best = step;
    }
  }
  return best;
}

class Chooser {
 public:
  Chooser(const graph::Graph& graph, const std::map<std::string, int>& bits)
      : graph_(graph), sources_(graph, bits) {}

  Rescaling run(const Feed& feed, const ProgressCallback& progress) {
    sample(feed, progress);
    const std::vector<Source>& list = sources_.list();
    std::vector<Rescale> chosen(list.size());
    parallel(list.size(), feed.threads(), [&](size_t i) { choose(list[i], static_cast<int>(i), chosen[i]); });
    Rescaling result;
    for (size_t i = 0; i < list.size(); ++i) {
      const auto root = static_cast<size_t>(sources_.root(static_cast<int>(i)));
      if (list[i].parent >= 0) chosen[i].output_scale = chosen[root].output_scale;
      if (!(chosen[i] == Rescale{})) result[list[i].node->name] = chosen[i];
    }
    return result;
  }

 private:
  void sample(const Feed& feed, const ProgressCallback& progress) {
    for (const Source& source : sources_.list()) {
      for (const std::string& tensor : source.tensors) samples_[tensor];
      if (source.after_convolution) samples_[source.node->inputs[0]];
    }
    engine::set_threads(1);  // one image a thread: the same sums whatever the number of threads
    std::vector<std::unique_ptr<engine::Engine>> engines;
    for (int i = 0; i < feed.threads(); ++i) engines.push_back(std::make_unique<engine::Engine>(graph_));
    using Item = std::map<std::string, std::vector<float>>;
    ordered_parallel<Item>(
        feed.size(), feed.threads(),
        [&](int worker, size_t index) {
          Item item;
          engines[static_cast<size_t>(worker)]->observe(
              feed.inputs(index), [&](const engine::TensorData& tensor) {
                if (samples_.contains(tensor.tensor->name))
                  item[tensor.tensor->name] = sampled(tensor, feed.name(index));
              });
          return item;
        },
        [&](size_t index, Item&& item) {
          for (auto& [name, values] : item) samples_.at(name).push_back(std::move(values));
          progress(index + 1, feed.size());
        });
  }

  static std::vector<float> sampled(const engine::TensorData& tensor, const std::string& image) {
    std::vector<float> values;
    const int64_t stride = std::max<int64_t>(tensor.count / recipe::kRescalingSamples, 1) | 1;
    for (int64_t i = 0; i < tensor.count; i += stride) {
      if (!std::isfinite(tensor.values[i])) {
        fail("tensor '{}' holds values that are not finite; the float model itself overflows on '{}'",
             tensor.tensor->name, image);
      }
      values.push_back(tensor.values[i]);
    }
    return values;
  }

  void choose(const Source& source, int index, Rescale& rescale) const {
    const std::string& output = source.node->outputs[0];
    if (source.after_convolution) {
      const Range range =
          best_range({samples_.at(source.node->inputs[0]), graph::activation_function(graph_, *source.node)});
      place(range, nearest_exponent(range), rescale.input_scale, rescale.input_offset);
    }
    if (source.parent >= 0 || source.fixed) return;
    if (source.shiftable && source.tensors.size() == 1 && !has_children(index)) {
      place(best_range({samples_.at(output), Function{}}), recipe::kRescaledExponent, rescale.output_scale,
            rescale.output_offset);
      return;
    }
    std::vector<const Samples*> tensors;
    for (const std::string& tensor : source.tensors) tensors.push_back(&samples_.at(tensor));
    const double step = best_step(tensors);
    if (step > recipe::kLeastStep)
      rescale.output_scale = static_cast<float>(std::ldexp(1.0, recipe::kRescaledExponent) / step);
  }

  bool has_children(int index) const {
    const std::vector<Source>& list = sources_.list();
    return std::any_of(list.begin(), list.end(), [&](const Source& other) { return other.parent == index; });
  }

  static double step_of(Range range) { return (range.high - range.low) / (kHighestCode - kLowestCode); }
  static int nearest_exponent(Range range) {
    const double step = step_of(range);
    return step > 0 ? static_cast<int>(std::nearbyint(std::log2(step))) : 0;
  }
  // scale * low + offset = lowest code * 2^exponent, and so at the other end.
  static void place(Range range, int exponent, float& scale, float& offset) {
    const double step = step_of(range);
    if (!(step > recipe::kLeastStep * std::max(1.0, std::max(std::fabs(range.low), std::fabs(range.high)))))
      return;
    const double unit = std::ldexp(1.0, exponent);
    scale = static_cast<float>(unit / step);
    offset = static_cast<float>(kLowestCode * unit - unit / step * range.low);
  }

  const graph::Graph& graph_;
  Sources sources_;
  std::map<std::string, Samples> samples_;
};

}  // namespace

Rescaling choose_rescaling(const graph::Graph& graph, const std::map<std::string, int>& bits,
                           const Feed& feed, const ProgressCallback& progress) {
  return Chooser(graph, bits).run(feed, progress);
}

}  // namespace shrike::quantize
