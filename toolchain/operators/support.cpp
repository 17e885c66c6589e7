#include "toolchain/operators/support.h"

#include <fmt/format.h>

#include <vector>

#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;

std::string cut_before(const Node& node) {
  return fmt::format("end the graph before it with --outputs {}",
                     node.inputs.empty() ? "NAME,..." : node.inputs[0]);
}

// What no operator of the chip computes on or makes; empty where it is nothing of that.
std::string reason_against_operands(const Graph& graph, const Node& node, const Operator& row) {
  const size_t operands =
      row.binary.reals != nullptr ? node.inputs.size() : std::min<size_t>(node.inputs.size(), 1);
  for (size_t i = 0; i < operands; ++i) {
    if (graph.tensor(node.inputs[i]).type == graph::ElementType::kInt64)
      return fmt::format("its input '{}' holds whole numbers; Cast them to float in the model",
                         node.inputs[i]);
  }
  if (is_copy(node.op) && operands > 0 && graph.tensor(node.inputs[0]).constant) {
    return fmt::format(
        "it moves the constant '{}' by what depends on an input; end the graph before it with --outputs "
        "NAME,...",
        node.inputs[0]);
  }
  for (const std::string& output : node.outputs) {
    if (!output.empty() && graph.tensor(output).shape.empty())
      return fmt::format(
          "its result '{}' is a number without an axis; keep one, with keepdims or a Reshape to [1]", output);
  }
  return "";
}

// Empty when the chip can do it.
std::string reason_against(const Graph& graph, const Node& node, int bits) {
  const Operator* row = find(node.op);
  if (row == nullptr) return fmt::format("nobody knows the operator; {}", cut_before(node));
  const Situation situation{graph, node, bits};
  if (row->refuse != nullptr) {
    if (const std::string reason = row->refuse(situation); !reason.empty()) return reason;
  }
  if (!row->on_chip()) {
    return fmt::format("the chip has no such operator; {}{}{}", row->note, *row->note == '\0' ? "" : ", or ",
                       cut_before(node));
  }
  if (const std::string reason = reason_against_operands(graph, node, *row); !reason.empty()) return reason;
  if (bits == 16 && !row->support.int16 && row->support.int8)
    return "the chip has it at 8 bit only: give it and its neighbours 8 bits";
  return "";
}

void fail_with(const std::vector<std::string>& refusals) {
  if (refusals.empty()) return;
  if (refusals.size() == 1) fail("{}", refusals[0]);
  fail("{} nodes can't be computed on the chip:\n  {}", refusals.size(), fmt::join(refusals, "\n  "));
}

const char* mark(const Operator& row, bool supported) {
  if (supported) return "yes";
  return row.rewrite != nullptr ? "rewritten" : "–";
}

std::string file_operators(const Operator& row) {
  std::string names;
  for (const int bits : {8, 16}) {
    if (!(bits == 8 ? row.support.int8 : row.support.int16)) continue;
    const std::string name = runtime_operator(row, bits);
    if (names.empty()) {
      names = name;
    } else if (names != name) {
      names += fmt::format(", {} at 16 bit", name);
    }
  }
  return names;
}

}  // namespace

void check_supported(const Graph& graph, const std::function<int(const Node&)>& bits) {
  std::vector<std::string> refusals;
  for (const Node& node : graph.nodes) {
    if (const std::string reason = reason_against(graph, node, bits(node)); !reason.empty())
      refusals.push_back(fmt::format("node '{}' ({}): {}", node.name, node.op, reason));
  }
  fail_with(refusals);
}

void check_known(const Graph& graph) {
  std::vector<std::string> unknown;
  for (const Node& node : graph.nodes) {
    if (find(node.op) != nullptr) continue;
    unknown.push_back(
        fmt::format("node '{}' ({}): the operator is not supported; end the graph before it with --outputs "
                    "NAME,... if it is part "
                    "of the postprocessing",
                    node.name, node.op));
  }
  fail_with(unknown);
}

std::string support_document() {
  std::string text =
      "# Operators\n\n"
      "<!-- Printed by `shrike info --operators` from toolchain/operators; a test compares. -->\n\n"
      "What a network may consist of when it is quantised. Every chip (esp32p4, esp32s3, esp32) has the same "
      "operators; "
      "what differs between chips are formats: filters have an exponent for each output channel on esp32p4 "
      "only.\n\n"
      "- **yes**: the chip's library has it, or runs it as a table. `LUT` is the library's operator for any "
      "function of "
      "one variable.\n"
      "- **rewritten**: `quantize` writes it in operators that the chip has, with the same result up to "
      "rounding.\n"
      "- **–**: not at this width. A network at 16 bit keeps the node and its neighbours at 8 bit.\n\n"
      "Element-wise nodes that together compute a function of one tensor become one table: decomposed "
      "HardSwish, Mish, "
      "GELU and others arrive as what they are, anything else as Function. LayerNormalization and "
      "InstanceNormalization are recognised in their parts, too. Where a node can't be computed, `quantize` "
      "says so for "
      "all nodes at once, before it reads the first picture.\n\n"
      "| operator | 8 bit | 16 bit | in the file | note |\n"
      "|---|---|---|---|---|\n";
  const auto is_host = [](const Operator& row) { return !row.on_chip() && row.rewrite == nullptr; };
  for (const Operator* row : all()) {
    if (is_host(*row)) continue;
    text += fmt::format("| {} | {} | {} | {} | {} |\n", row->name, mark(*row, row->support.int8),
                        mark(*row, row->support.int16), file_operators(*row), row->note);
  }
  text +=
      "\nKnown where they compute constants and sizes, but not for data on the chip:\n\n"
      "| operator | note |\n|---|---|\n";
  for (const Operator* row : all()) {
    if (is_host(*row)) text += fmt::format("| {} | {} |\n", row->name, row->note);
  }
  return text;
}

}  // namespace shrike::operators
