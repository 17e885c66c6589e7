// Elements of a tensor wherever they lie: the engine computes with channels last, the runtime stores them so,
// and whoever looks at a few of them need not bring all into logical order first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace shrike {

// Calls visit(offset) for the first and every `step`-th element after it, in row-major order of `shape`.
template <typename Visit>
void for_every(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t step,
               const Visit& visit) {
  const size_t rank = shape.size();
  if (rank == 0) return visit(int64_t{0});
  int64_t count = 1;
  std::vector<int64_t> index(rank, 0), advance(rank);
  for (size_t axis = rank; axis-- > 0;) {  // `step` in digits of the shape
    advance[axis] = step / count % shape[axis];
    count *= shape[axis];
  }
  int64_t offset = 0;
  for (int64_t i = 0; i < count; i += step) {
    visit(offset);
    bool carry = false;
    for (size_t axis = rank; axis-- > 0;) {
      int64_t moved = advance[axis] + (carry ? 1 : 0);
      carry = index[axis] + moved >= shape[axis];
      if (carry) moved -= shape[axis];
      index[axis] += moved;
      offset += moved * strides[axis];
    }
  }
}

enum class ElementKind { kInt8, kInt16, kFloat };

struct StridedValues {
  const void* data = nullptr;
  ElementKind kind = ElementKind::kFloat;
  float scale = 1;                      // value of one unit of integers
  std::vector<int64_t> shape, strides;  // by logical axis, in elements

  int64_t count() const {
    int64_t elements = 1;
    for (const int64_t dim : shape) elements *= dim;
    return elements;
  }

  // Calls visit(pointer, scale) with a pointer of the elements' type.
  template <typename Visit>
  void typed(const Visit& visit) const {
    switch (kind) {
      case ElementKind::kInt8:
        return visit(static_cast<const int8_t*>(data), scale);
      case ElementKind::kInt16:
        return visit(static_cast<const int16_t*>(data), scale);
      case ElementKind::kFloat:
        return visit(static_cast<const float*>(data), 1.0f);
    }
  }

  // The first and every `step`-th value after it, in logical order.
  std::vector<float> every(int64_t step) const {
    std::vector<float> values;
    values.reserve(static_cast<size_t>((count() + step - 1) / step));
    typed([&](const auto* elements, float unit) {
      for_every(shape, strides, step,
                [&](int64_t offset) { values.push_back(static_cast<float>(elements[offset]) * unit); });
    });
    return values;
  }
};

}  // namespace shrike
