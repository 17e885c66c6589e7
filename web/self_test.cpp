#include "web/self_test.h"

#include <cmath>
#include <cstring>

#include "toolchain/host/tensors.h"

namespace shrike::web {
namespace {

bool same_kind(const TensorView& a, const TensorView& b) {
  return a.type == b.type && a.bytes == b.bytes && a.exponent == b.exponent;
}

bool set_inputs(const InspectableModel& model) {
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    bool found = false;
    for (int32_t j = 0; j < model.test_input_count() && !found; ++j) {
      const TensorView value = model.test_input(j);
      found = value.name == input.name && same_kind(value, input);
      if (found) std::memcpy(input.data, value.data, static_cast<size_t>(input.bytes));
    }
    if (!found) return false;
  }
  return true;
}

// Integers are equal; floats within a few units of the last place, because the chip's own expf is not known
// that exactly (spec/numerics.md section 18).
int64_t differing_values(const TensorView& got, const TensorView& expected) {
  const size_t size = size_of(got.type);
  int64_t differing = 0;
  for (int64_t i = 0; i < got.shape.elements(); ++i) {
    const uint8_t* a = static_cast<const uint8_t*>(got.data) + static_cast<size_t>(i) * size;
    const uint8_t* b = static_cast<const uint8_t*>(expected.data) + static_cast<size_t>(i) * size;
    if (std::memcmp(a, b, size) == 0) continue;
    if (got.type == DataType::kFloat32) {
      float x = 0, y = 0;
      std::memcpy(&x, a, sizeof x);
      std::memcpy(&y, b, sizeof y);
      if (std::abs(x - y) <= 1e-6f * std::abs(y)) continue;
    }
    ++differing;
  }
  return differing;
}

struct Totals {
  int64_t tensors = 0, values = 0, differing = 0;
  std::string first;
  bool fits = true;

  void compare(const InspectableModel& model, const TensorView& got) {
    for (int32_t i = 0; i < model.test_output_count(); ++i) {
      const TensorView expected = model.test_output(i);
      if (!(expected.name == got.name)) continue;
      if (!same_kind(expected, got)) {
        fits = false;
        return;
      }
      const int64_t differs = differing_values(got, expected);
      if (differs > 0 && first.empty()) first = host::to_string(got.name);
      ++tensors;
      values += got.shape.elements();
      differing += differs;
    }
  }
};

}  // namespace

void run_self_test(InspectableModel& model, JsonText& json) {
  json.open('{');
  if (model.test_output_count() > 0) {
    model.reset();
    Totals totals;
    totals.fits = set_inputs(model);
    for (int32_t i = 0; i < model.input_count(); ++i) totals.compare(model, model.input(i));
    for (int32_t node = 0; node < model.node_count() && totals.fits; ++node) {
      totals.fits = model.run_node(node).ok();
      for (int32_t i = 0; i < model.node_output_count(node); ++i)
        totals.compare(model, model.node_output(node, i));
    }
    if (!totals.fits) {
      json.key("error").text("the test vectors in the file don't fit its network");
    } else {
      json.key("tensors").number(totals.tensors).key("values").number(totals.values);
      json.key("differing").number(totals.differing).key("first").text(totals.first);
    }
  }
  json.close('}');
}

}  // namespace shrike::web
