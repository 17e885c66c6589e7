#include "toolchain/import/pt/import.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "toolchain/import/pt/heads.h"
#include "toolchain/import/text.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

using namespace pt;
using Kind = Value::Kind;

constexpr int64_t kUsualSize = 640, kLargestSize = 8192;

// A Python literal, as Ultralytics' ONNX export writes its metadata.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

class CheckpointImporter {
 public:
  CheckpointImporter(const std::string& bytes, const std::string& file)
      : file_(file), checkpoint_(bytes, file_), writer_(file_), layers_(writer_) {}

  Graph run() {
    const Module model = find_model();
    const std::vector<Module> network = find_network(model);
    const Module& head = network.back();
    picture_ = picture_size(model, head);
    std::vector<std::string> made;
    std::string last = writer_.input("images", {1, input_channels(network), picture_.height, picture_.width});
    for (const Module& layer : network) {
      const std::vector<std::string> sources = inputs_of(layer, made, last);
      if (&layer == &head && !task_of(head).empty()) {
        write_head(layers_, head, sources, picture_);
      } else {
        last = layers_.run(layer, sources);
        made.push_back(last);
      }
    }
    if (writer_.graph().outputs.empty())
      head.refuse(
          "a head of Ultralytics was expected at the end; export the model to ONNX where it was made");
    writer_.graph().name = "main_graph";
    add_metadata(model, head);
    return writer_.finish();
  }

 private:
  // The averaged weights where there are some (a run that was stopped keeps nothing else), else the model.
  Module find_model() const {
    const Value& root = checkpoint_.value(checkpoint_.pickle().root);
    if (root.kind == Kind::kInstance) return Module(checkpoint_, checkpoint_.pickle().root, "model");
    bool weights_only = root.kind == Kind::kDict && checkpoint_.entry(root, "model") == nullptr;
    for (const char* key : {"ema", "model"}) {
      const auto found = checkpoint_.entry_ref(root, key);
      if (!found) continue;
      if (checkpoint_.value(*found).kind == Kind::kInstance) return Module(checkpoint_, *found, "model");
      weights_only = weights_only || checkpoint_.value(*found).kind == Kind::kDict;
    }
    if (weights_only) {
      fail(
          "{}: a whole model was expected, found weights without a network; export ONNX where the network is "
          "defined",
          file_);
    }
    fail(
        "{}: an Ultralytics checkpoint was expected, found no model in it; export ONNX from the program that "
        "wrote it",
        file_);
  }

  std::vector<Module> find_network(const Module& model) const {
    if (!model.has_child("model")) {
      model.refuse(
          "a network of Ultralytics was expected; convert it with torch.onnx.export where it was made");
    }
    // Named as in the ONNX export: "model.0", not "model.model.0".
    std::vector<Module> layers;
    const Module sequence = model.child("model");
    for (const Module& layer : sequence.children())
      layers.emplace_back(checkpoint_, layer.ref(), "model" + layer.path().substr(layer.path().rfind('.')));
    if (layers.empty()) sequence.refuse("layers were expected in it, found none");
    return layers;
  }

  // The attribute f: the layer before (-1), another one, or a list of them.
  static std::vector<std::string> inputs_of(const Module& layer, const std::vector<std::string>& made,
                                            const std::string& last) {
    std::vector<std::string> sources;
    for (const int64_t from : layer.has("f") ? layer.list("f") : std::vector<int64_t>{-1}) {
      const auto count = static_cast<int64_t>(made.size());
      const int64_t index = from < 0 ? count + from : from;
      if (from == -1) {
        sources.push_back(last);
      } else if (index < 0 || index >= count) {
        layer.refuse("it reads layer {}, which does not come before it; the file is damaged", from);
      } else {
        sources.push_back(made[static_cast<size_t>(index)]);
      }
    }
    if (sources.empty()) layer.refuse("it reads nothing; the file is damaged");
    return sources;
  }

  // Of the first convolution.
  static int64_t input_channels(const std::vector<Module>& network) {
    Module module = network.front();
    for (int depth = 0; depth < 8 && module.kind() != "Conv2d"; ++depth) {
      const std::vector<Module> parts = module.children();
      if (parts.empty()) break;
      module = parts.front();
    }
    const int64_t channels = module.kind() == "Conv2d" ? module.integer("in_channels") : 3;
    if (channels < 1 || channels > 1024) module.refuse("{} input channels are not sensible", channels);
    return channels;
  }

  PictureSize picture_size(const Module& model, const Module& head) const {
    std::vector<int64_t> sizes;
    if (const Value* args = model.attribute("args"); args != nullptr) {
      const Value* stored = checkpoint_.entry(*args, "imgsz");
      if (stored != nullptr && stored->kind == Kind::kInteger) sizes = {stored->integer};
      if (stored != nullptr && (stored->kind == Kind::kList || stored->kind == Kind::kTuple)) {
        for (const Ref item : stored->items) sizes.push_back(checkpoint_.value(item).integer);
      }
    }
    const bool sensible = !sizes.empty() && sizes.size() <= 2 &&
                          std::all_of(sizes.begin(), sizes.end(),
                                      [](int64_t size) { return size >= 1 && size <= kLargestSize; });
    if (!sensible) sizes = {kUsualSize};
    const int64_t grid = coarsest_stride(head);
    const auto rounded = [&](int64_t size) { return (size + grid - 1) / grid * grid; };
    return {rounded(sizes.front()), rounded(sizes.back())};
  }

  static int64_t coarsest_stride(const Module& head) {
    const auto strides = head.find_weights("stride");
    float coarsest = 32;
    for (const float stride : strides ? strides->values : std::vector<float>{})
      coarsest = std::max(coarsest, stride);
    return static_cast<int64_t>(std::min(coarsest, 1024.0f));
  }

  void add_metadata(const Module& model, const Module& head) {
    auto& metadata = writer_.graph().metadata;
    metadata["task"] = task_of(head);
    metadata["stride"] = fmt::format("{}", coarsest_stride(head));
    metadata["imgsz"] = fmt::format("[{}, {}]", picture_.height, picture_.width);
    metadata["batch"] = "1";
    if (const auto names = class_names(model)) metadata["names"] = *names;
    if (head.kind() == "Pose")
      metadata["kpt_shape"] = fmt::format("[{}]", fmt::join(head.list("kpt_shape"), ", "));
    const Value* version = checkpoint_.entry(checkpoint_.value(checkpoint_.pickle().root), "version");
    if (version != nullptr && version->kind == Kind::kText && is_printable(version->text))
      metadata["version"] = version->text;
  }

  // "{0: 'cat', 1: 'dog'}" of a dictionary or a list.
  std::optional<std::string> class_names(const Module& model) const {
    const Value* names = model.attribute("names");
    if (names == nullptr || (names->kind != Kind::kDict && names->kind != Kind::kList)) return std::nullopt;
    std::string text;
    const size_t step = names->kind == Kind::kDict ? 2 : 1;
    for (size_t i = 0; i + step <= names->items.size(); i += step) {
      const Value& name = checkpoint_.value(names->items[i + step - 1]);
      if (name.kind != Kind::kText || !is_printable(name.text)) return std::nullopt;
      const int64_t index = step == 1 ? static_cast<int64_t>(i) : checkpoint_.value(names->items[i]).integer;
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", index, quoted(name.text));
    }
    return "{" + text + "}";
  }

  const std::string& file_;
  Checkpoint checkpoint_;
  GraphWriter writer_;
  Layers layers_;
  PictureSize picture_;
};

}  // namespace

Graph import_checkpoint(const std::string& bytes, const std::string& file) {
  return CheckpointImporter(bytes, file).run();
}

std::vector<std::string> checkpoint_classes() {
  return pt::Layers::classes();
}

std::vector<std::string> checkpoint_heads() {
  return pt::head_classes();
}

}  // namespace shrike::graph
