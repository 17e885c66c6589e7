#include "toolchain/host/self_test.h"

#include <cmath>
#include <cstring>

#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"

namespace shrike::host {
namespace {

// Exporters write a scalar as [] or as [1].
bool same_shape(const Shape& a, const Shape& b) {
  return a == b || (a.elements() == 1 && b.elements() == 1);
}

double tolerance_for(const TensorView& expected, int64_t index, int64_t tolerance) {
  constexpr double kFloatTolerance = 1e-6;
  if (expected.type == DataType::kInt16) return static_cast<double>(tolerance);
  return expected.type == DataType::kFloat32 ? kFloatTolerance * std::abs(element(expected, index)) : 0;
}

void require_same_kind(const IntegerModel& model, const TensorView& variable, const TensorView& value) {
  if (variable.type == value.type && same_shape(variable.shape, value.shape) &&
      variable.exponent == value.exponent)
    return;
  fail(
      "the test value '{}' embedded in '{}' is {} {} with exponent {}, but the model's tensor is {} {} with "
      "exponent {}",
      to_string(value.name), model.name(), type_name(value.type), shape_text(value.shape), value.exponent,
      type_name(variable.type), shape_text(variable.shape), variable.exponent);
}

void set_inputs(const IntegerModel& file) {
  const InspectableModel& model = file.model();
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    bool found = false;
    for (int32_t j = 0; j < model.test_input_count() && !found; ++j) {
      const TensorView value = model.test_input(j);
      if (!(value.name == input.name)) continue;
      require_same_kind(file, input, value);
      if (input.bytes > 0) std::memcpy(input.data, value.data, input.bytes);
      found = true;
    }
    if (!found) fail("'{}' embeds no test value for its input '{}'", file.name(), to_string(input.name));
  }
}

class Comparison {
 public:
  Comparison(IntegerModel& file, int64_t tolerance)
      : file_(file), model_(file.model()), tolerance_(tolerance) {}

  SelfTestResult run() {
    if (model_.test_output_count() == 0) fail("'{}' embeds no test outputs", file_.name());
    require_known_outputs();
    model_.reset();
    set_inputs(file_);
    for (int32_t i = 0; i < model_.input_count(); ++i) compare_named(model_.input(i), -1);
    for (int32_t node = 0; node < model_.node_count(); ++node) {
      const Status status = model_.run_node(node);
      if (!status.ok()) throw Error(describe(status, file_.name(), to_string(model_.node_name(node))));
      for (int32_t i = 0; i < model_.node_output_count(node); ++i)
        compare_named(model_.node_output(node, i), node);
    }
    return std::move(result_);
  }

 private:
  void require_known_outputs() const {
    for (int32_t i = 0; i < model_.test_output_count(); ++i) {
      const TensorView value = model_.test_output(i);
      bool known = false;
      for (int32_t j = 0; j < model_.variable_count() && !known; ++j)
        known = model_.variable(j).name == value.name;
      if (!known) {
        fail("'{}' embeds a test output '{}' that the model does not compute", file_.name(),
             to_string(value.name));
      }
    }
  }

  void compare_named(const TensorView& variable, int32_t node) {
    for (int32_t i = 0; i < model_.test_output_count(); ++i) {
      if (model_.test_output(i).name == variable.name) compare(variable, model_.test_output(i), node);
    }
  }

  void compare(const TensorView& got, const TensorView& expected, int32_t node) {
    require_same_kind(file_, got, expected);
    TensorResult tensor = {to_string(got.name), got.type, got.shape.elements(), 0, 0, 0};
    const size_t size = size_of(got.type);
    for (int64_t i = 0; i < tensor.values; ++i) {
      const size_t at = static_cast<size_t>(i) * size;
      if (std::memcmp(static_cast<const uint8_t*>(got.data) + at,
                      static_cast<const uint8_t*>(expected.data) + at, size) == 0) {
        continue;
      }
      ++tensor.differing;
      const double difference = std::abs(element(got, i) - element(expected, i));
      if (!(difference <= tensor.largest)) tensor.largest = difference;
      if (difference <= tolerance_for(expected, i, tolerance_)) continue;
      if (++tensor.beyond_tolerance == 1 && !result_.first) note_first(got, expected, node, i);
    }
    result_.tensors.push_back(tensor);
  }

  void note_first(const TensorView& got, const TensorView& expected, int32_t node, int64_t index) {
    Difference first;
    first.tensor = to_string(got.name);
    first.node = node;
    first.node_name = to_string(model_.node_name(node));
    first.node_type = to_string(model_.node_type(node));
    first.index = index;
    first.coordinate = coordinate_text(got.shape, index);
    first.expected = element_text(expected, index);
    first.got = element_text(got, index);
    result_.first = first;
  }

  IntegerModel& file_;
  InspectableModel& model_;
  int64_t tolerance_;
  SelfTestResult result_;
};

}  // namespace

SelfTestResult run_self_test(IntegerModel& model, int64_t tolerance) {
  return Comparison(model, tolerance).run();
}

}  // namespace shrike::host
