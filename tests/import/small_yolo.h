// A network of YOLO11's blocks with random weights, as the modules of a checkpoint and as plain loops that
// compute the same: every part is both.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/import/pt_writer.h"

namespace shrike::tests {

// [channels, height, width]
struct Map {
  int64_t channels = 0, height = 0, width = 0;
  std::vector<double> values;

  Map() = default;
  Map(int64_t c, int64_t h, int64_t w)
      : channels(c), height(h), width(w), values(static_cast<size_t>(c * h * w)) {}
  double& at(int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
  double at(int64_t c, int64_t y, int64_t x) const {
    return values[static_cast<size_t>((c * height + y) * width + x)];
  }
};

inline Map joined(const std::vector<Map>& maps) {
  Map result = maps[0];
  for (size_t i = 1; i < maps.size(); ++i) {
    result.channels += maps[i].channels;
    result.values.insert(result.values.end(), maps[i].values.begin(), maps[i].values.end());
  }
  return result;
}

inline Map part_of(const Map& map, int64_t first, int64_t count) {
  Map result(count, map.height, map.width);
  std::copy_n(map.values.begin() + first * map.height * map.width, result.values.size(),
              result.values.begin());
  return result;
}

inline Map sum(Map a, const Map& b) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

struct Part {
  std::string piece;
  std::function<Map(const Map&)> run;
};

class SmallYolo {
 public:
  static constexpr int64_t kSize = 32, kClasses = 3, kBins = 16;

  CheckpointWriter writer;

  std::vector<float> random(size_t count, float scale, float centre = 0) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) value = centre + scale * normal(generator_);
    return values;
  }

  Part conv2d(int64_t in, int64_t out, int64_t k, int64_t stride, int64_t groups, bool with_bias) {
    const auto weights = random(static_cast<size_t>(out * (in / groups) * k * k),
                                1.0f / std::sqrt(static_cast<float>(in / groups * k * k)));
    const auto bias =
        with_bias ? random(static_cast<size_t>(out), 0.2f) : std::vector<float>(static_cast<size_t>(out));
    ModulePieces m{"torch.nn.modules.conv", "Conv2d", {}, {}, {}, {}};
    m.attributes = {{"in_channels", py::integer(in)},       {"out_channels", py::integer(out)},
                    {"kernel_size", py::sizes({k, k})},     {"stride", py::sizes({stride, stride})},
                    {"padding", py::sizes({k / 2, k / 2})}, {"dilation", py::sizes({int64_t{1}, int64_t{1}})},
                    {"groups", py::integer(groups)},        {"padding_mode", py::text("zeros")}};
    m.parameters = {{"weight", writer.tensor({out, in / groups, k, k}, weights)},
                    {"bias", with_bias ? writer.tensor({out}, bias) : py::none()}};
    return {m.piece(), [=](const Map& x) {
              Map y(out, (x.height - 1) / stride + 1, (x.width - 1) / stride + 1);
              const int64_t depth = in / groups, per_group = out / groups;
              for (int64_t o = 0; o < out; ++o) {
                for (int64_t row = 0; row < y.height; ++row) {
                  for (int64_t column = 0; column < y.width; ++column) {
                    double total = bias[static_cast<size_t>(o)];
                    for (int64_t i = 0; i < depth; ++i) {
                      for (int64_t u = 0; u < k; ++u) {
                        for (int64_t v = 0; v < k; ++v) {
                          const int64_t r = row * stride + u - k / 2, c = column * stride + v - k / 2;
                          if (r < 0 || c < 0 || r >= x.height || c >= x.width) continue;
                          total += x.at(o / per_group * depth + i, r, c) *
                                   static_cast<double>(
                                       weights[static_cast<size_t>(((o * depth + i) * k + u) * k + v)]);
                        }
                      }
                    }
                    y.at(o, row, column) = total;
                  }
                }
              }
              return y;
            }};
  }

  // Conv: convolution, batch norm, SiLU (or nothing).
  Part conv(int64_t in, int64_t out, int64_t k = 1, int64_t stride = 1, int64_t groups = 1,
            bool active = true) {
    const Part convolution = conv2d(in, out, k, stride, groups, false);
    const auto count = static_cast<size_t>(out);
    const auto gamma = random(count, 0.1f, 1), beta = random(count, 0.1f), mean = random(count, 0.1f);
    auto variance = random(count, 0.2f, 1);
    for (float& value : variance) value = std::abs(value) + 0.1f;
    ModulePieces bn{"torch.nn.modules.batchnorm", "BatchNorm2d", {{"eps", py::real(0.001)}}, {}, {}, {}};
    bn.parameters = {{"weight", writer.tensor({out}, gamma)}, {"bias", writer.tensor({out}, beta)}};
    bn.buffers = {{"running_mean", writer.tensor({out}, mean)},
                  {"running_var", writer.tensor({out}, variance)}};
    const ModulePieces act{active ? "torch.nn.modules.activation" : "torch.nn.modules.linear",
                           active ? "SiLU" : "Identity",
                           {},
                           {},
                           {},
                           {}};
    ModulePieces block{"ultralytics.nn.modules.conv", groups > 1 ? "DWConv" : "Conv", {}, {}, {}, {}};
    block.children = {{"conv", convolution.piece}, {"bn", bn.piece()}, {"act", act.piece()}};
    return {block.piece(), [=](const Map& x) {
              Map y = convolution.run(x);
              const int64_t pixels = y.height * y.width;
              for (size_t i = 0; i < y.values.size(); ++i) {
                const size_t c = i / static_cast<size_t>(pixels);
                const double scale =
                    static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + 0.001);
                const double z =
                    (y.values[i] - static_cast<double>(mean[c])) * scale + static_cast<double>(beta[c]);
                y.values[i] = active ? z * sigmoid(z) : z;
              }
              return y;
            }};
  }

  Part sequence(const std::vector<Part>& parts, const std::string& container = "Sequential") {
    ModulePieces m{"torch.nn.modules.container", container, {}, {}, {}, {}};
    for (size_t i = 0; i < parts.size(); ++i) m.children.emplace_back(std::to_string(i), parts[i].piece);
    return {m.piece(), [=](Map x) {
              for (const Part& part : parts) x = part.run(x);
              return x;
            }};
  }

  Part bottleneck(int64_t channels) {
    const Part cv1 = conv(channels, channels, 3), cv2 = conv(channels, channels, 3);
    ModulePieces m{"ultralytics.nn.modules.block", "Bottleneck", {{"add", py::boolean(true)}}, {}, {}, {}};
    m.children = {{"cv1", cv1.piece}, {"cv2", cv2.piece}};
    return {m.piece(), [=](const Map& x) { return sum(x, cv2.run(cv1.run(x))); }};
  }

  Part c3k(int64_t channels) {
    const Part cv1 = conv(channels, channels / 2), cv2 = conv(channels, channels / 2),
               cv3 = conv(channels, channels);
    const Part m = sequence({bottleneck(channels / 2), bottleneck(channels / 2)});
    ModulePieces block{"ultralytics.nn.modules.block", "C3k", {}, {}, {}, {}};
    block.children = {{"cv1", cv1.piece}, {"cv2", cv2.piece}, {"cv3", cv3.piece}, {"m", m.piece}};
    return {block.piece(), [=](const Map& x) { return cv3.run(joined({m.run(cv1.run(x)), cv2.run(x)})); }};
  }

  Part c3k2(int64_t in, int64_t out, bool deep) {
    const int64_t c = out / 2;
    const Part cv1 = conv(in, 2 * c), cv2 = conv(3 * c, out), inner = deep ? c3k(c) : bottleneck(c);
    const Part list = sequence({inner}, "ModuleList");
    ModulePieces block{"ultralytics.nn.modules.block", "C3k2", {{"c", py::integer(c)}}, {}, {}, {}};
    block.children = {{"cv1", cv1.piece}, {"cv2", cv2.piece}, {"m", list.piece}};
    return {block.piece(), [=](const Map& x) {
              const Map y = cv1.run(x);
              return cv2.run(joined({y, inner.run(part_of(y, c, c))}));
            }};
  }

  Part sppf(int64_t channels) {
    const Part cv1 = conv(channels, channels / 2), cv2 = conv(channels * 2, channels);
    ModulePieces pool{"torch.nn.modules.pooling", "MaxPool2d", {}, {}, {}, {}};
    pool.attributes = {{"kernel_size", py::integer(5)},
                       {"stride", py::integer(1)},
                       {"padding", py::integer(2)},
                       {"dilation", py::integer(1)}};
    ModulePieces block{"ultralytics.nn.modules.block", "SPPF", {}, {}, {}, {}};
    block.children = {{"cv1", cv1.piece}, {"cv2", cv2.piece}, {"m", pool.piece()}};
    const auto pooled = [](const Map& x) {
      Map y = x;
      for (int64_t c = 0; c < x.channels; ++c) {
        for (int64_t row = 0; row < x.height; ++row) {
          for (int64_t column = 0; column < x.width; ++column) {
            for (int64_t r = std::max<int64_t>(0, row - 2); r < std::min(x.height, row + 3); ++r) {
              for (int64_t k = std::max<int64_t>(0, column - 2); k < std::min(x.width, column + 3); ++k)
                y.at(c, row, column) = std::max(y.at(c, row, column), x.at(c, r, k));
            }
          }
        }
      }
      return y;
    };
    return {block.piece(), [=](const Map& x) {
              const Map a = cv1.run(x), b = pooled(a), c = pooled(b);
              return cv2.run(joined({a, b, c, pooled(c)}));
            }};
  }

  Part attention(int64_t channels) {
    const int64_t heads = 2, head = channels / heads, key = head / 2;
    const Part qkv = conv(channels, heads * (2 * key + head), 1, 1, 1, false);
    const Part proj = conv(channels, channels, 1, 1, 1, false),
               pe = conv(channels, channels, 3, 1, channels, false);
    const double scale = 1 / std::sqrt(static_cast<double>(key));
    ModulePieces m{"ultralytics.nn.modules.block", "Attention", {}, {}, {}, {}};
    m.attributes = {{"num_heads", py::integer(heads)},
                    {"key_dim", py::integer(key)},
                    {"head_dim", py::integer(head)},
                    {"scale", py::real(scale)}};
    m.children = {{"qkv", qkv.piece}, {"proj", proj.piece}, {"pe", pe.piece}};
    return {m.piece(), [=](const Map& x) {
              const Map t = qkv.run(x);
              const int64_t pixels = x.height * x.width;
              Map values(channels, x.height, x.width), mixed = values;
              for (int64_t h = 0; h < heads; ++h) {
                const double* q = t.values.data() + h * (2 * key + head) * pixels;
                const double* k = q + key * pixels;
                const double* v = k + key * pixels;
                std::copy_n(v, head * pixels, values.values.begin() + h * head * pixels);
                for (int64_t m0 = 0; m0 < pixels; ++m0) {
                  std::vector<double> weight(static_cast<size_t>(pixels));
                  double total = 0;
                  for (int64_t n = 0; n < pixels; ++n) {
                    double dot = 0;
                    for (int64_t d = 0; d < key; ++d) dot += q[d * pixels + m0] * k[d * pixels + n];
                    total += weight[static_cast<size_t>(n)] = std::exp(dot * scale);
                  }
                  for (int64_t d = 0; d < head; ++d) {
                    double& out = mixed.values[static_cast<size_t>((h * head + d) * pixels + m0)];
                    for (int64_t n = 0; n < pixels; ++n)
                      out += v[d * pixels + n] * weight[static_cast<size_t>(n)] / total;
                  }
                }
              }
              return proj.run(sum(mixed, pe.run(values)));
            }};
  }

  Part c2psa(int64_t channels) {
    const int64_t c = channels / 2;
    const Part cv1 = conv(channels, channels), cv2 = conv(channels, channels), attn = attention(c);
    const Part ffn = sequence({conv(c, 2 * c), conv(2 * c, c, 1, 1, 1, false)});
    ModulePieces psa{"ultralytics.nn.modules.block", "PSABlock", {{"add", py::boolean(true)}}, {}, {}, {}};
    psa.children = {{"attn", attn.piece}, {"ffn", ffn.piece}};
    ModulePieces block{"ultralytics.nn.modules.block", "C2PSA", {{"c", py::integer(c)}}, {}, {}, {}};
    block.children = {{"cv1", cv1.piece}, {"cv2", cv2.piece}, {"m", sequence({Part{psa.piece(), {}}}).piece}};
    return {block.piece(), [=](const Map& x) {
              const Map y = cv1.run(x);
              Map b = part_of(y, c, c);
              b = sum(b, attn.run(b));
              b = sum(b, ffn.run(b));
              return cv2.run(joined({part_of(y, 0, c), b}));
            }};
  }

  // Writes the whole network; the result is the checkpoint's root.
  std::string root() {
    const Part l0 = conv(3, 8, 3, 2), l1 = conv(8, 16, 3, 2), l2 = c3k2(16, 16, false),
               l3 = conv(16, 16, 3, 2);
    const Part l4 = c3k2(16, 16, true), l5 = sppf(16), l6 = c2psa(16), l9 = c3k2(32, 16, false);
    ModulePieces up{"torch.nn.modules.upsampling", "Upsample", {}, {}, {}, {}};
    up.attributes = {{"size", py::none()}, {"scale_factor", py::real(2)}, {"mode", py::text("nearest")}};
    const ModulePieces concat{"ultralytics.nn.modules.conv", "Concat", {{"d", py::integer(1)}}, {}, {}, {}};
    const std::vector<Part> boxes = {head_level(4 * kBins), head_level(4 * kBins)};
    const std::vector<Part> scores = {head_level(kClasses), head_level(kClasses)};
    const std::vector<std::string> plain = {l0.piece,
                                            l1.piece,
                                            l2.piece,
                                            l3.piece,
                                            l4.piece,
                                            l5.piece,
                                            l6.piece,
                                            up.piece(),
                                            concat.piece(),
                                            l9.piece,
                                            detect(boxes, scores)};
    ModulePieces network{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
    for (size_t i = 0; i < plain.size(); ++i) {
      // A state more, on the object that is on top: where the layer reads from.
      const std::string from = i == 8    ? py::list({py::integer(-1), py::integer(2)})
                               : i == 10 ? py::list({py::integer(9), py::integer(6)})
                                         : py::integer(-1);
      network.children.emplace_back(std::to_string(i), with_source(plain[i], from));
    }
    run_ = [=](const Map& x) {
      const Map y2 = l2.run(l1.run(l0.run(x)));
      const Map y6 = l6.run(l5.run(l4.run(l3.run(y2))));
      Map wide(y6.channels, y6.height * 2, y6.width * 2);
      for (int64_t c = 0; c < wide.channels; ++c) {
        for (int64_t r = 0; r < wide.height; ++r) {
          for (int64_t k = 0; k < wide.width; ++k) wide.at(c, r, k) = y6.at(c, r / 2, k / 2);
        }
      }
      const std::vector<Map> levels = {l9.run(joined({wide, y2})), y6};
      return decoded(levels, boxes, scores);
    };
    ModulePieces model{"ultralytics.nn.tasks", "DetectionModel", {}, {}, {}, {}};
    model.attributes = {{"names", "}(" + py::integer(0) + py::text("cat") + py::integer(1) +
                                      py::text("it's") + py::integer(2) + py::text("dog") + "u"},
                        {"args", py::dict({{"imgsz", py::integer(kSize)}})}};
    model.children = {{"model", network.piece()}};
    return py::dict({{"epoch", py::integer(-1)},
                     {"ema", py::none()},
                     {"model", model.piece()},
                     {"version", py::text("8.3.0")}});
  }

  // [4 + classes][places], after root().
  std::vector<std::vector<double>> run(const Map& x) const { return run_(x); }

 private:
  static std::string with_source(const std::string& piece, const std::string& from) {
    // The object's dictionary ends in "u", then BUILD: one more entry goes in before.
    return piece.substr(0, piece.size() - 2) + py::text("f") + from + "ub";
  }

  Part head_level(int64_t out) {
    return sequence({conv(16, 16, 3), conv(16, 16, 3, 1, 16), conv2d(16, out, 1, 1, 1, true)});
  }

  std::string detect(const std::vector<Part>& boxes, const std::vector<Part>& scores) {
    std::vector<float> steps(kBins);
    for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<float>(i);
    ModulePieces conv{"torch.nn.modules.conv", "Conv2d", {}, {}, {}, {}};
    conv.attributes = {{"stride", py::sizes({int64_t{1}, int64_t{1}})},
                       {"padding", py::sizes({int64_t{0}, int64_t{0}})},
                       {"dilation", py::sizes({int64_t{1}, int64_t{1}})},
                       {"groups", py::integer(1)}};
    conv.parameters = {{"weight", writer.tensor({1, kBins, 1, 1}, steps)}, {"bias", py::none()}};
    ModulePieces dfl{"ultralytics.nn.modules.block", "DFL", {}, {}, {}, {}};
    dfl.children = {{"conv", conv.piece()}};
    ModulePieces head{"ultralytics.nn.modules.head", "Detect", {}, {}, {}, {}};
    head.attributes = {{"nc", py::integer(kClasses)},
                       {"nl", py::integer(2)},
                       {"reg_max", py::integer(kBins)},
                       {"stride", writer.tensor({2}, {4, 8})}};
    head.children = {{"cv2", sequence(boxes, "ModuleList").piece},
                     {"cv3", sequence(scores, "ModuleList").piece},
                     {"dfl", dfl.piece()}};
    return head.piece();
  }

  static std::vector<std::vector<double>> decoded(const std::vector<Map>& levels,
                                                  const std::vector<Part>& boxes,
                                                  const std::vector<Part>& scores) {
    std::vector<std::vector<double>> rows(4 + kClasses);
    for (size_t level = 0; level < levels.size(); ++level) {
      const double stride = level == 0 ? 4 : 8;
      const Map box = boxes[level].run(levels[level]), score = scores[level].run(levels[level]);
      for (int64_t y = 0; y < box.height; ++y) {
        for (int64_t x = 0; x < box.width; ++x) {
          double side[4];
          for (int64_t k = 0; k < 4; ++k) {
            double total = 0, mean = 0;
            for (int64_t i = 0; i < kBins; ++i) {
              const double weight = std::exp(box.at(k * kBins + i, y, x));
              total += weight;
              mean += weight * static_cast<double>(i);
            }
            side[k] = mean / total;
          }
          const double cx = static_cast<double>(x) + 0.5, cy = static_cast<double>(y) + 0.5;
          rows[0].push_back((cx + (side[2] - side[0]) / 2) * stride);
          rows[1].push_back((cy + (side[3] - side[1]) / 2) * stride);
          rows[2].push_back((side[0] + side[2]) * stride);
          rows[3].push_back((side[1] + side[3]) * stride);
          for (int64_t c = 0; c < kClasses; ++c)
            rows[static_cast<size_t>(4 + c)].push_back(sigmoid(score.at(c, y, x)));
        }
      }
    }
    return rows;
  }

  std::mt19937 generator_{7};
  std::function<std::vector<std::vector<double>>(const Map&)> run_;
};

}  // namespace shrike::tests
