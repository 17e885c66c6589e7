#include "toolchain/train/identity.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "toolchain/data/samples.h"
#include "toolchain/engine/float_path.h"
#include "toolchain/graph/passes.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace shrike::train {
namespace {

std::string hash_of(const graph::Graph& graph) {
  std::string all = graph::to_text(graph);
  for (const auto& [name, tensor] : graph.tensors) {
    const auto* bytes = reinterpret_cast<const char*>(tensor.values.data());
    all.append(bytes, tensor.values.size() * sizeof tensor.values[0]);
  }
  return sha256(all.data(), all.size());
}

void append(const LabelledSet& set, std::string& all) {
  for (const LabelledPicture& picture : set.pictures) {
    for (const std::string& file : data::paths_of(picture.path)) {
      const std::filesystem::path path(file);
      std::error_code ignored;
      all +=
          fmt::format("{} {}", path.filename().generic_string(), std::filesystem::file_size(path, ignored));
    }
    for (const Truth& truth : picture.truths)
      all += fmt::format(" {} {} {} {} {}", truth.category, truth.x1, truth.y1, truth.x2, truth.y2);
    all += '\n';
  }
  all += fmt::format("{}\n", fmt::join(set.class_names, "\n"));
}

std::string hash_of(const Parts& parts) {
  std::string all;
  for (const LabelledSet* set : {&parts.training, &parts.judging}) append(*set, all);
  return sha256(all.data(), all.size());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::string identity_of(const std::string& options, const graph::Graph& graph, const Parts& parts) {
  return fmt::format("{}\n{}\n{}\n{}\n", options, hash_of(graph), hash_of(parts), engine::float_path());
}

void require_same_run(const std::string& stated, const std::string& here, const std::string& checkpoint) {
  if (stated == here) return;
  const std::vector<std::string> kinds = {"options", "the network", "pictures or labels",
                                          "instructions of the float engine (another machine)"};
  const std::vector<std::string> before = lines_of(stated), now = lines_of(here);
  std::vector<std::string> different;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (before.size() != now.size() || before[i] != now[i]) different.push_back(kinds[i]);
  }
  fail("{}: the checkpoint is of a run that differs in {}; go on with the same, or start without --resume",
       checkpoint, fmt::join(different, ", "));
}

}  // namespace shrike::train
