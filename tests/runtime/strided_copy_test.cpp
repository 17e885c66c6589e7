// The copy engine behind the data movers against one loop per element, over random boxes: permuted, cropped,
// reversed, spread apart, of every element size.
#include "ops/strided_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

namespace shrike {
namespace {

struct TwoThreads final : WorkerPool {
  int threads() const override { return 2; }
  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    for (int i = count - 1; i >= 0; --i) task(argument, i);  // order must not matter
  }
};

void copy_element_by_element(const StridedCopy& copy, const uint8_t* source, uint8_t* target,
                             int32_t axis = 0) {
  if (axis == copy.rank) {
    std::memcpy(target, source, copy.block);
    return;
  }
  for (int32_t i = 0; i < copy.dims[axis]; ++i) {
    copy_element_by_element(copy, source + i * copy.source_strides[axis],
                            target + i * copy.target_strides[axis], axis + 1);
  }
}

// A source box of random shape, some axes cropped or read backwards; the target holds its axes in random
// order, some spread apart.
struct Case {
  StridedCopy copy;
  std::vector<uint8_t> source, target;
};

Case random_case(std::mt19937& random) {
  const auto up_to = [&](int n) { return static_cast<int32_t>(random() % static_cast<unsigned>(n)); };
  Case result;
  const int32_t rank = up_to(6) + 1;
  const uint32_t element = 1u << up_to(4);
  std::vector<int32_t> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (up_to(3) != 0) std::shuffle(order.begin(), order.end(), random);
  std::vector<int32_t> dims;
  for (int32_t i = 0; i < rank; ++i) dims.push_back(up_to(4) == 0 ? 1 : up_to(rank > 4 ? 5 : 21) + 1);

  std::vector<ptrdiff_t> from(dims.size()), to(dims.size());
  ptrdiff_t size = element, offset = 0;
  for (int32_t i = rank - 1; i >= 0; --i) {
    const ptrdiff_t extra = up_to(5) == 0 ? 2 : 0;  // cropped
    const size_t axis = static_cast<size_t>(i);
    from[axis] = size;
    if (extra != 0) offset += size;
    if (up_to(6) == 0) {
      offset += size * (dims[axis] - 1);
      from[axis] = -size;
    }
    size *= dims[axis] + extra;
  }
  result.source.resize(static_cast<size_t>(size));
  for (uint8_t& byte : result.source) byte = static_cast<uint8_t>(random());
  size = element;
  for (int32_t i = rank - 1; i >= 0; --i) {
    const size_t axis = static_cast<size_t>(order[static_cast<size_t>(i)]);
    const ptrdiff_t step = up_to(6) == 0 ? 2 : 1;
    to[axis] = size * step;
    size *= dims[axis] * step;
  }
  result.target.assign(static_cast<size_t>(size), 0xAA);
  result.copy.block = element;
  result.copy.source_offset = offset;
  for (int32_t axis : order) {
    result.copy.add_axis(dims[static_cast<size_t>(axis)], from[static_cast<size_t>(axis)],
                         to[static_cast<size_t>(axis)]);
  }
  return result;
}

TEST(StridedCopy, EqualsOneLoopPerElement) {
  std::mt19937 random(1);
  TwoThreads workers;
  for (int i = 0; i < 4000; ++i) {
    const Case test = random_case(random);
    std::vector<uint8_t> expected = test.target, actual = test.target;
    copy_element_by_element(test.copy, test.source.data() + test.copy.source_offset, expected.data());
    StridedCopy simple = test.copy;
    simplify(&simple);
    run_copy(simple, test.source.data(), actual.data(), &workers);
    ASSERT_TRUE(expected == actual) << "case " << i;
  }
}

// Matrices around the size of the squares that are transposed at once.
TEST(StridedCopy, TransposesBytesOfAnyShape) {
  std::mt19937 random(2);
  TwoThreads workers;
  for (const int32_t rows : {15, 16, 17, 40, 67}) {
    for (const int32_t columns : {15, 16, 31, 64, 81}) {
      for (const int32_t gap : {0, 3}) {
        StridedCopy copy;
        copy.block = 1;
        copy.add_axis(3, rows * (columns + gap), columns * (rows + gap));
        copy.add_axis(columns, 1, rows + gap);
        copy.add_axis(rows, columns + gap, 1);
        std::vector<uint8_t> source(static_cast<size_t>(3 * rows * (columns + gap)));
        for (uint8_t& byte : source) byte = static_cast<uint8_t>(random());
        std::vector<uint8_t> expected(static_cast<size_t>(3 * columns * (rows + gap)), 0xAA);
        std::vector<uint8_t> actual = expected;
        copy_element_by_element(copy, source.data(), expected.data());
        run_copy(copy, source.data(), actual.data(), &workers);
        ASSERT_TRUE(expected == actual) << rows << " by " << columns;
      }
    }
  }
}

TEST(StridedCopy, DenseTensorBecomesOneBlock) {
  StridedCopy copy;
  copy.block = 2;
  Shape shape;
  for (int32_t size : {1, 3, 5, 7}) shape.dims[shape.rank++] = size;
  ptrdiff_t strides[kMaxRank];
  dense_strides(shape, 2, strides);
  for (int32_t i = 0; i < 4; ++i) copy.add_axis(shape.dims[i], strides[i], strides[i]);
  simplify(&copy);
  EXPECT_EQ(copy.rank, 0);
  EXPECT_EQ(copy.block, 2u * 3 * 5 * 7);
}

TEST(StridedCopy, TransposeOfTwoMatrixAxesKeepsThreeLoops) {
  StridedCopy copy;  // [4, 6, 8] -> [4, 8, 6], one byte each
  copy.block = 1;
  copy.add_axis(4, 48, 48);
  copy.add_axis(8, 1, 6);
  copy.add_axis(6, 8, 1);
  simplify(&copy);
  EXPECT_EQ(copy.rank, 3);
  EXPECT_EQ(copy.block, 1u);
}

}  // namespace
}  // namespace shrike
