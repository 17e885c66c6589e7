#include "toolchain/transform/choose_rescaling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "runtime/chips/chip.h"
#include "toolchain/cost/cost_model.h"
#include "toolchain/cost/graph_time.h"
#include "toolchain/graph/activation.h"
#include "toolchain/heads/head.h"
#include "toolchain/measure/float_engines.h"
#include "toolchain/measure/range.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"
#include "toolchain/transform/ranges.h"
#include "toolchain/transform/sources.h"

namespace shrike::quantize {
namespace {

// A shift makes the biases of its readers larger: by a filter's sum of weights times up to 128. Accumulators
// of 20 bits have no room for that behind filters of many taps, and coarser weights cost more than the shift
// saves.
bool has_wide_biases(Target target) {
  return chip_of(target).usable_bias_bits(8) > 20;
}

// A Pad is worth its time or not: of a chip whose times nobody published that can't be told.
bool can_have_pads(Target target) {
  return has_wide_biases(target) && has_cost_model(target);
}

// What a source and those that share its scale may get.
struct Choice {
  float scale = 1;         // of all of them
  float offset = 0;        // of those that can be shifted
  double noise_saved = 0;  // by the offset
};

class RescalingChooser {
 public:
  RescalingChooser(const graph::Graph& graph, const std::map<std::string, int>& bits,
                   const RescalingOptions& options)
      : graph_(graph),
        options_(options),
        sources_(graph, bits, options.explicit_pads && can_have_pads(options.target)),
        side_logits_(side_logits(graph, bits)) {}

  Rescaling run(const Feed& feed, const ProgressCallback& progress) {
    sample(feed, progress);
    const std::vector<Source>& list = sources_.list();
    std::vector<Rescale> chosen(list.size());
    std::vector<Choice> plain(list.size()), shifted(list.size());
    parallel(list.size(), feed.threads(), [&](size_t i) {
      const Source& source = list[i];
      if (source.after_convolution) place_input(source, chosen[i]);
      if (source.parent >= 0 || source.fixed) return;
      const bool movable = can_shift(source);
      if (!movable || !pads_of(source).empty()) plain[i] = unshifted(source);
      if (movable) shifted[i] = with_offset(source);
      shifted[i].noise_saved = plain[i].noise_saved - shifted[i].noise_saved;
    });
    const std::vector<bool> shift = worth_their_pads(shifted);
    for (size_t i = 0; i < list.size(); ++i) {
      const auto root = static_cast<size_t>(sources_.root(static_cast<int>(i)));
      const Choice& choice = shift[root] ? shifted[root] : plain[root];
      chosen[i].output_scale = choice.scale;
      if (list[i].shiftable) chosen[i].output_offset = choice.offset;
    }
    Rescaling result;
    for (size_t i = 0; i < list.size(); ++i) {
      if (!(chosen[i] == Rescale{})) result[list[i].node->name] = chosen[i];
    }
    for (const auto& [name, producer] : side_logits_) {
      const float offset = peak_offset(samples_.at(name), highest_.at(name));
      if (offset != 0) result[producer->name].output_offset = offset;
    }
    return result;
  }

 private:
  void sample(const Feed& feed, const ProgressCallback& progress) {
    for (const Source& source : sources_.list()) {
      for (const ScaledTensor& tensor : source.tensors) samples_[tensor.name];
      if (source.after_convolution) samples_[source.node->inputs[0]];
    }
    for (const auto& [name, producer] : side_logits_) {
      samples_[name];
      highest_[name];
    }
    struct Item {
      std::map<std::string, std::vector<float>> samples;
      std::map<std::string, float> highest;
    };
    FloatEngines(graph_, feed)
        .observe<Item>(
            feed.size(),
            [&](Item& item, size_t index, const engine::TensorData& tensor) {
              const std::string& name = tensor.tensor->name;
              if (samples_.contains(name)) item.samples[name] = sampled(tensor, feed.name(index));
              if (highest_.contains(name))
                item.highest[name] = range_of(tensor.memory(), tensor.values.count()).second;
            },
            [&](size_t index, Item&& item) {
              for (auto& [name, values] : item.samples) samples_.at(name).push_back(std::move(values));
              for (const auto& [name, value] : item.highest) highest_.at(name).push_back(value);
              progress(index + 1, feed.size());
            });
  }

  static std::vector<float> sampled(const engine::TensorData& tensor, const std::string& image) {
    std::vector<float> values =
        tensor.values.every(std::max<int64_t>(tensor.values.count() / recipe::kRescalingSamples, 1) | 1);
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
      fail("tensor '{}' holds values that are not finite; the float model itself overflows on '{}'",
           tensor.tensor->name, image);
    }
    return values;
  }

  // 8-bit outputs that are such logits, and the convolutions that make them.
  static std::map<std::string, const graph::Node*> side_logits(const graph::Graph& graph,
                                                               const std::map<std::string, int>& bits) {
    std::map<std::string, const graph::Node*> found;
    const std::optional<heads::Head> head = heads::named(graph);
    const graph::Links links(graph);
    for (const std::string& output : graph.outputs) {
      if (!head || !heads::is_side_logits(*head, output) || bits.at(output) != 8) continue;
      const auto producer = links.producer.find(output);
      if (producer == links.producer.end() || producer->second < 0 || links.consumers.contains(output))
        continue;
      const graph::Node& node = graph.nodes[static_cast<size_t>(producer->second)];
      if (operators::is_convolution(node)) found[output] = &node;
    }
    return found;
  }

  // Where one bin towers, the side of the box is: codes reach from a low quantile, below which no bin has a
  // say, past the highest peak, in the finest power of two that spans both.
  static float peak_offset(const Samples& samples, std::vector<float> highest) {
    std::vector<float> all;
    for (const std::vector<float>& image : samples) all.insert(all.end(), image.begin(), image.end());
    const double low = quantile(std::move(all), recipe::kClippedLogits);
    const double high = quantile(std::move(highest), 1 - recipe::kClippedPeaks);
    const double span = std::max(high - low, recipe::kLeastStep);
    const double step = std::exp2(std::ceil(std::log2(span / (kHighestCode - kLowestCode))));
    return static_cast<float>(std::nearbyint(kLowestCode - low / step) * step);
  }

  static double quantile(std::vector<float> values, double share) {
    const auto at = values.begin() + std::lround(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }

  // The range before an activation.
  void place_input(const Source& source, Rescale& rescale) const {
    const Range range =
        best_range(samples_.at(source.node->inputs[0]), graph::activation_function(graph_, *source.node))
            .range;
    const double step = range.step();
    if (!can_spread(range)) return;
    const double unit = std::ldexp(1.0, static_cast<int>(std::nearbyint(std::log2(step))));
    rescale.input_scale = static_cast<float>(unit / step);
    rescale.input_offset = static_cast<float>(kLowestCode * unit - unit / step * range.low);
  }

  bool can_shift(const Source& root) const {
    for (const ScaledTensor& tensor : root.tensors) {
      if (times_of(tensor) > 0) return true;
    }
    return false;
  }

  // How often the offset is in the tensor.
  int times_of(const ScaledTensor& tensor) const {
    return static_cast<int>(std::count_if(tensor.terms.begin(), tensor.terms.end(), [&](int term) {
      return sources_.list()[static_cast<size_t>(term)].shiftable;
    }));
  }

  // Noise, not yet what is saved, in Choice::noise_saved.
  Choice unshifted(const Source& root) const {
    const SharedStep best = best_step(shifted_tensors(root));
    if (!(best.step > recipe::kLeastStep)) return {1, 0, best.noise};
    return {static_cast<float>(kUnit / best.step), 0, best.noise};
  }

  Choice with_offset(const Source& root) const {
    const bool padded = !pads_of(root).empty();
    if (root.tensors.size() > 1) {
      const SharedStep best = best_shifted_step(shifted_tensors(root));
      if (!(best.step > recipe::kLeastStep)) return {1, 0, best.noise};
      return {static_cast<float>(kUnit / best.step), static_cast<float>(best.shift * kUnit), best.noise};
    }
    const RangeChoice best = best_range(samples_.at(root.tensors[0].name), {});
    if (!can_spread(best.range)) return {1, 0, best.noise};
    double zero = kLowestCode - best.range.low / best.range.step();  // the code of the value 0
    if (padded) zero = std::nearbyint(zero);                         // which Pad writes
    return {static_cast<float>(kUnit / best.range.step()), static_cast<float>(zero * kUnit), best.noise};
  }

  std::vector<Shifted> shifted_tensors(const Source& root) const {
    std::vector<Shifted> tensors;
    for (const ScaledTensor& tensor : root.tensors)
      tensors.push_back({&samples_.at(tensor.name), times_of(tensor)});
    return tensors;
  }

  static bool can_spread(Range range) {
    return range.step() >
           recipe::kLeastStep * std::max(1.0, std::max(std::fabs(range.low), std::fabs(range.high)));
  }

  // The Pads that shifting a root's tensors asks for.
  std::vector<std::pair<std::string, std::vector<int64_t>>> pads_of(const Source& root) const {
    std::vector<std::pair<std::string, std::vector<int64_t>>> pads;
    for (const ScaledTensor& tensor : root.tensors) {
      if (times_of(tensor) > 0) pads.insert(pads.end(), tensor.padded.begin(), tensor.padded.end());
    }
    return pads;
  }

  // Which roots are shifted: all that need no Pad, and of the others those that save most noise for the time
  // of their Pads, up to a share of the network's.
  std::vector<bool> worth_their_pads(const std::vector<Choice>& shifted) const {
    const std::vector<Source>& list = sources_.list();
    std::vector<bool> shift(list.size(), false);
    struct Candidate {
      size_t root;
      double time, gain;
    };
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].parent >= 0 || list[i].fixed || !can_shift(list[i])) continue;
      const auto pads = pads_of(list[i]);
      if (pads.empty()) {
        shift[i] = true;
        continue;
      }
      double time = 0;
      for (const auto& [tensor, amounts] : pads)
        time += pad_time(graph_.tensor(tensor), amounts, options_.target);
      if (shifted[i].noise_saved > recipe::kPadGain) candidates.push_back({i, time, shifted[i].noise_saved});
    }
    if (candidates.empty()) return shift;  // so without a cost model
    std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.gain * b.time > b.gain * a.time;
    });
    double left = recipe::kPadTime * graph_time(graph_, options_.target);
    for (const Candidate& candidate : candidates) {
      if (candidate.time > left) continue;
      left -= candidate.time;
      shift[candidate.root] = true;
    }
    return shift;
  }

  static constexpr double kUnit = 1.0 / (1 << -recipe::kRescaledExponent);

  const graph::Graph& graph_;
  RescalingOptions options_;
  Sources sources_;
  const std::map<std::string, const graph::Node*> side_logits_;  // by output
  std::map<std::string, Samples> samples_;
  std::map<std::string, std::vector<float>> highest_;  // of each image, of side logits
};

}  // namespace

Rescaling choose_rescaling(const graph::Graph& graph, const std::map<std::string, int>& bits,
                           const RescalingOptions& options, const Feed& feed,
                           const ProgressCallback& progress) {
  return RescalingChooser(graph, bits, options).run(feed, progress);
}

}  // namespace shrike::quantize
