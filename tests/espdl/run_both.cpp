#include "tests/espdl/run_both.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/espdl/reference.h"
#include "toolchain/host/integer_model.h"

namespace shrike::espdl::tests {
namespace {

std::vector<int64_t> read_integers(const TensorView& view) {
  std::vector<int64_t> result;
  for (uint64_t i = 0; i < view.bytes / size_of(view.type); ++i) {
    if (view.type == DataType::kInt8) {
      result.push_back(static_cast<const int8_t*>(view.data)[i]);
    } else {
      int16_t value;
      std::memcpy(&value, static_cast<const char*>(view.data) + 2 * i, 2);
      result.push_back(value);
    }
  }
  return result;
}

void write_integers(const TensorView& view, const std::vector<int64_t>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (view.type == DataType::kInt8) {
      static_cast<int8_t*>(view.data)[i] = static_cast<int8_t>(values[i]);
    } else {
      static_cast<int16_t*>(view.data)[i] = static_cast<int16_t>(values[i]);
    }
  }
}

}  // namespace

void expect_equal(Maker& maker, Target target, const std::vector<std::string>& outputs) {
  maker.graph.outputs = outputs;
  const Program program = lower(maker.graph, target);
  host::IntegerModel model = host::IntegerModel::from_bytes(serialize(program), "test");
  ASSERT_EQ(model.target(), target);
  std::map<std::string, std::vector<int64_t>> inputs;
  for (const std::string& name : maker.graph.inputs) {
    std::vector<int64_t>& values = inputs[name];
    for (int64_t i = 0; i < maker.graph.tensor(name).elements(); ++i)
      values.push_back(maker.draw(maker.full_scale()));
    const TensorView view = model.model().variable(name.c_str());
    ASSERT_EQ(view.shape.elements(), static_cast<int64_t>(values.size()));
    write_integers(view, to_stored(value_named(program, name), values));
  }
  model.run();
  const auto expected = evaluate(maker.graph, target, inputs);
  for (const std::string& name : outputs) {
    const TensorView view = model.model().output(name.c_str());
    ASSERT_NE(view.type, DataType::kUndefined) << name;
    const StoredValue& stored = value_named(program, name);
    ASSERT_EQ(static_cast<size_t>(view.shape.rank), stored.dims.size()) << name;
    for (int32_t i = 0; i < view.shape.rank; ++i)
      EXPECT_EQ(view.shape.dims[i], stored.dims[static_cast<size_t>(i)]) << name;
    const std::vector<int64_t> got = to_logical(stored, read_integers(view));
    const std::vector<int64_t>& want = expected.at(name).integers;
    ASSERT_EQ(got.size(), want.size()) << name;
    int64_t different = 0, distinct = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      if (got[i] != want[i] && different++ < 3)
        ADD_FAILURE() << name << " element " << i << ": " << got[i] << ", expected " << want[i];
      if (want[i] != want[0]) ++distinct;
    }
    EXPECT_EQ(different, 0) << name << ": " << different << " of " << got.size();
    EXPECT_GT(distinct, 0) << name << " is constant: the test shows nothing";
  }
  EXPECT_EQ(model.model().saturated_accumulators(), 0u);
}

}  // namespace shrike::espdl::tests
