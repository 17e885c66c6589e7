// How large an arena is enough, from the file alone. Shapes of inner tensors are the stored ones, which files
// are not bound to get right; whoever follows the estimate and finds it wrong is told the exact figure,
// because the tables fit then. Bytes are floats: exact enough for an estimate, never too large, and small
// code on a 32-bit core.
#include "format/schema.h"
#include "model/loader.h"

namespace shrike {
namespace {

using namespace format;

constexpr float kMost = 4e9f;
// Steps of the run are counted in so many groups; more would only sharpen the figure.
constexpr uint32_t kGroups = 128;
// Parameters of a node apart from what its kernels keep of its constants.
constexpr uint32_t kNodeBytes = 4096;
// Of constants: vector kernels keep a copy, in part widened; the others at most the sizes of groups of
// weights.
constexpr float kVectorCopies = 2, kScalarCopies = 0.25f;
// Of the planner and of the sorted lists of names, for a variable.
constexpr uint32_t kPlannerBytes = 160;
// Plans exceed the sum of what is alive by a few per cent.
constexpr float kPlanned = 1.25f;
// Comparing every name with every operand has to stay quick for any file.
constexpr float kMostComparisons = 1 << 24;

float stored_bytes(Table value) {
  const Table type = value.table(value_slot::kType).table(type_slot::kValue);
  const int32_t number = type.scalar<int32_t>(tensor_type_slot::kElementType);
  uint32_t size = 8;
  if (number > 0 && number <= 13) size = size_of(static_cast<DataType>(number));
  float bytes = static_cast<float>(size);
  const Vector dims = type.table(tensor_type_slot::kShape).vector(shape_slot::kDims);
  for (uint32_t i = 0; i < dims.size; ++i) {
    const int64_t extent = dims.table(i).table(dim_slot::kValue).scalar<int64_t>(dim_value_slot::kValue);
    bytes *= extent < 0 || extent > INT32_MAX ? kMost : static_cast<float>(static_cast<int32_t>(extent));
  }
  return bytes + static_cast<float>(Arena::kAlignment);
}

bool names(Vector list, Text name) {
  for (uint32_t i = 0; i < list.size; ++i) {
    if (list.text(i) == name) return true;
  }
  return false;
}

// The largest sum of tensors that are alive at once, from above.
class LiveBytes {
 public:
  LiveBytes(const Source& source, bool by_lifetime) : source_(source), by_lifetime_(by_lifetime) {}

  void add(Vector values) {
    for (uint32_t i = 0; i < values.size; ++i) {
      const float bytes = stored_bytes(values.table(i));
      uint32_t first = 0, last = source_.nodes.size;
      if (by_lifetime_) find_lifetime(values.table(i).text(value_slot::kName), &first, &last);
      for (uint32_t group = group_of(first); group <= group_of(last); ++group) sums_[group] += bytes;
      if (bytes > largest_tensor) largest_tensor = bytes;
    }
  }

  float peak() const {
    float peak = 0;
    for (const float sum : sums_) peak = sum > peak ? sum : peak;
    return peak;
  }

  float largest_tensor = 0;

 private:
  uint32_t group_of(uint32_t node) const {
    const uint32_t nodes_a_group = source_.nodes.size / kGroups + 1;
    return node / nodes_a_group;
  }

  void find_lifetime(Text name, uint32_t* first, uint32_t* last) const {
    *last = 0;
    for (uint32_t i = 0; i < source_.nodes.size; ++i) {
      const Table node = source_.nodes.table(i);
      if (names(node.vector(node_slot::kOutputs), name)) *first = *last = i;
      if (names(node.vector(node_slot::kInputs), name)) *last = i;
    }
    for (uint32_t i = 0; i < source_.outputs.size; ++i) {
      if (source_.outputs.table(i).text(value_slot::kName) == name) *last = source_.nodes.size;
    }
  }

  const Source& source_;
  bool by_lifetime_;
  float sums_[kGroups + 1] = {};
};

}  // namespace

uint64_t estimate_arena(const Payload& payload, const KernelSet& kernels) {
  const Source source = source_of(payload);
  uint32_t variables = source.inputs.size, operands = source.outputs.size, constant_blocks = 0;
  for (uint32_t i = 0; i < source.nodes.size; ++i) {
    const Table node = source.nodes.table(i);
    const uint32_t outputs = node.vector(node_slot::kOutputs).size;
    variables += outputs;
    operands += node.vector(node_slot::kInputs).size + outputs;
  }
  for (uint32_t i = 0; i < source.initializers.size; ++i)
    constant_blocks += source.initializers.table(i).vector(tensor_slot::kRawData).size;

  const float values = static_cast<float>(source.values.size + source.inputs.size);
  LiveBytes live(source, values * static_cast<float>(operands) <= kMostComparisons);
  live.add(source.inputs);
  live.add(source.values);

  const auto all = [](uint32_t count, size_t each) {
    return static_cast<float>(count) * static_cast<float>(each);
  };
  // Tables; activations; scratch, which is rows of a tensor or two beside room for small ones.
  const float bytes =
      all(variables + source.initializers.size + 1, sizeof(Tensor) + sizeof(int32_t)) +
      all(variables, sizeof(TensorPlacement) + kPlannerBytes) + all(operands, sizeof(void*)) +
      all(source.nodes.size, sizeof(NodeState) + kNodeBytes) +
      (kernels.fallback != nullptr ? kVectorCopies : kScalarCopies) * all(constant_blocks, kBlockBytes) +
      kPlanned * live.peak() + 2 * live.largest_tensor + static_cast<float>(sizeof(ModelState) + (1 << 16));
  return static_cast<uint32_t>(bytes < kMost ? bytes : kMost);
}

}  // namespace shrike
