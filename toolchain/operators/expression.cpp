#include "toolchain/operators/expression.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <memory>
#include <sstream>

#include "toolchain/support/error.h"

namespace shrike::operators {
namespace {

constexpr size_t kDeepest = 32;  // operands that wait for their operator

// One step of a program for a stack of numbers.
struct Step {
  enum class Kind { kVariable, kNumber, kUnary, kBinary } kind = Kind::kVariable;
  float number = 0;
  Formula unary;
  std::optional<float> (*binary)(float, float) = nullptr;
};

// The graph and the node that give a row's formula its attributes and constants.
Formula bound(const Operator& row, const std::vector<std::pair<std::string, float>>& attributes,
              const std::vector<std::optional<float>>& constants) {
  graph::Graph graph;
  graph::Node node;
  node.op = row.name;
  node.inputs = {"x"};
  graph.tensors["x"].name = "x";
  for (const auto& [key, value] : attributes) node.attributes[key] = value;
  for (const std::optional<float>& constant : constants) {
    const std::string name = fmt::format("c{}", node.inputs.size());
    node.inputs.push_back(constant ? name : "");
    if (!constant) continue;
    graph::Tensor& tensor = graph.tensors[name];
    tensor.name = name;
    tensor.constant = true;
    tensor.values = {*constant};
  }
  return row.formula(graph, node);
}

bool is_scalar(const graph::Tensor& tensor) {
  return tensor.constant && tensor.type == graph::ElementType::kFloat && tensor.elements() == 1;
}

// "Clip(0,6)", "Elu(alpha=0.5)": a function with all that it needs besides x.
std::optional<std::string> unary_text(const graph::Graph& graph, const graph::Node& node) {
  std::string arguments;
  for (const auto& [key, value] : node.attributes) {
    const float* number = std::get_if<float>(&value);
    if (number == nullptr) return std::nullopt;
    arguments += fmt::format("{}{}={}", arguments.empty() ? "" : ",", key, *number);
  }
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const bool absent = node.inputs[i].empty();
    if (!absent && !is_scalar(graph.tensor(node.inputs[i]))) return std::nullopt;
    arguments += fmt::format("{}{}", arguments.empty() ? "" : ",",
                             absent ? "~" : fmt::format("{}", graph.tensor(node.inputs[i]).values[0]));
  }
  return arguments.empty() ? node.op : fmt::format("{}({})", node.op, arguments);
}

float number_in(const std::string& text) {
  try {
    size_t used = 0;
    const float value = std::stof(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {  // told below
  }
  fail("expression: a number was expected, found '{}'", text);
}

Step parse_step(const std::string& word) {
  Step step;
  if (word == "x") return step;
  const size_t bracket = word.find('(');
  const std::string name = word.substr(0, bracket);
  const Operator* row = find(name);
  if (row == nullptr) {
    step.kind = Step::Kind::kNumber;
    step.number = number_in(word);
    return step;
  }
  if (row->formula == nullptr) {
    if (row->binary.reals == nullptr) fail("expression: {} is no function of numbers", name);
    step.kind = Step::Kind::kBinary;
    step.binary = row->binary.reals;
    return step;
  }
  std::vector<std::pair<std::string, float>> attributes;
  std::vector<std::optional<float>> constants;
  if (bracket != std::string::npos) {
    std::istringstream list(word.substr(bracket + 1, word.size() - bracket - 2));
    for (std::string argument; std::getline(list, argument, ',');) {
      const size_t equals = argument.find('=');
      if (equals != std::string::npos) {
        attributes.emplace_back(argument.substr(0, equals), number_in(argument.substr(equals + 1)));
      } else {
        constants.push_back(argument == "~" ? std::nullopt : std::optional(number_in(argument)));
      }
    }
  }
  step.kind = Step::Kind::kUnary;
  step.unary = bound(*row, attributes, constants);
  return step;
}

}  // namespace

std::optional<std::string> expression_of(const graph::Graph& graph, const graph::Node& node,
                                         const std::vector<std::string>& inputs) {
  const Operator* row = find(node.op);
  if (row == nullptr || node.outputs.size() != 1) return std::nullopt;
  if (row->formula != nullptr) {
    const auto text = unary_text(graph, node);
    return text ? std::optional(inputs[0] + " " + *text) : std::nullopt;
  }
  if (row->binary.reals == nullptr || inputs.size() != 2 || !node.attributes.empty()) return std::nullopt;
  return fmt::format("{} {} {}", inputs[0], inputs[1], node.op);
}

Formula parse_expression(const std::string& text) {
  auto program = std::make_shared<std::vector<Step>>();
  std::istringstream words(text);
  size_t depth = 0;
  for (std::string word; words >> word;) {
    program->push_back(parse_step(word));
    const size_t taken = program->back().kind == Step::Kind::kBinary  ? 2
                         : program->back().kind == Step::Kind::kUnary ? 1
                                                                      : 0;
    if (depth < taken) fail("expression '{}': '{}' has too few operands", text, word);
    depth += 1 - taken;
    if (depth > kDeepest) fail("expression '{}': more than {} operands at once", text, kDeepest);
  }
  if (depth != 1) fail("expression '{}': one result was expected, found {}", text, depth);
  return [program](float x) {
    std::array<float, kDeepest> stack;
    size_t top = 0;  // number of values
    for (const Step& step : *program) {
      switch (step.kind) {
        case Step::Kind::kVariable:
          stack[top++] = x;
          break;
        case Step::Kind::kNumber:
          stack[top++] = step.number;
          break;
        case Step::Kind::kUnary:
          stack[top - 1] = step.unary(stack[top - 1]);
          break;
        case Step::Kind::kBinary:
          --top;
          stack[top - 1] = step.binary(stack[top - 1], stack[top]).value_or(0.0f);
      }
    }
    return stack[0];
  };
}

const Operator* function_like(const Formula& function) {
  const graph::Graph graph;
  for (const Operator* row : all()) {
    // A row with operands of its own (Clip, PRelu) or of another family isn't a function without them.
    if (row->role != Role::kTable || row->formula_on_grid != nullptr || row->name == std::string("Function"))
      continue;
    graph::Node node;
    node.op = row->name;
    node.inputs = {"x"};
    const Formula candidate = row->formula(graph, node);
    bool same = true;
    for (int i = -160; i <= 160 && same; ++i) {
      const float x = static_cast<float>(i) / 16.0f + 0.013f, wanted = function(x), found = candidate(x);
      same = std::fabs(wanted - found) <= 1e-5f + 1e-4f * std::fabs(wanted);
    }
    if (same) return row;
  }
  return nullptr;
}

}  // namespace shrike::operators
