#include "ops/strided_copy.h"

#include <string.h>

#include "ops/parallel.h"

namespace shrike {
namespace {

// Square tile of the innermost two axes: source and target lines of one tile stay in the first-level cache.
constexpr int32_t kTile = 16;
constexpr int32_t kSquare = 16;
constexpr uint32_t kChunk = 16;
// What parts of a tensor share is to stay in the first-level cache.
constexpr int64_t kStretchBytes = 16384;
constexpr uint32_t kLongestInChunks = 128;  // beyond, memcpy is at least as fast

using Byte = uint8_t;
using Half __attribute__((may_alias)) = uint16_t;
using Word __attribute__((may_alias)) = uint32_t;

// Vectors of the compiler's own, where the machine has them.
#if defined(__SSE2__) || defined(__ARM_NEON)
constexpr bool kHasVectors = true;
#else
constexpr bool kHasVectors = false;
#endif
using Vector __attribute__((vector_size(kSquare))) = uint8_t;

// Sixteen by sixteen bytes, rows `from` apart, transposed. Each round interleaves the first eight rows with
// the last eight; after four of them bytes have taken the place of rows.
void transpose_square(const uint8_t* source, ptrdiff_t from, uint8_t* target, ptrdiff_t to) {
  Vector rows[kSquare], next[kSquare];
  for (int32_t i = 0; i < kSquare; ++i) memcpy(&rows[i], source + i * from, sizeof rows[i]);
  for (int32_t round = 0; round < 4; ++round) {
    for (int32_t i = 0; i < kSquare / 2; ++i) {
      const Vector a = rows[i], b = rows[i + kSquare / 2];
      next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] =
          __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    for (int32_t i = 0; i < kSquare; ++i) rows[i] = next[i];
  }
  for (int32_t i = 0; i < kSquare; ++i) memcpy(target + i * to, &rows[i], sizeof rows[i]);
}

// Whether squares pay: axis 0 runs along the source, axis 1 along the target.
bool is_transposition(const int32_t* dims, const ptrdiff_t* from, const ptrdiff_t* to) {
  return kHasVectors && from[0] == 1 && to[1] == 1 && dims[0] >= kSquare && dims[1] >= kSquare;
}

// Elements one by one over the two innermost axes, in tiles, because for a transposition one side jumps.
template <typename Element>
void copy_plane(const uint8_t* source, uint8_t* target, const int32_t* dims, const ptrdiff_t* from,
                const ptrdiff_t* to) {
  for (int32_t i0 = 0; i0 < dims[0]; i0 += kTile) {
    const int32_t i1 = dims[0] - i0 < kTile ? dims[0] : i0 + kTile;
    for (int32_t j0 = 0; j0 < dims[1]; j0 += kTile) {
      const int32_t j1 = dims[1] - j0 < kTile ? dims[1] : j0 + kTile;
      for (int32_t i = i0; i < i1; ++i) {
        const uint8_t* s = source + i * from[0] + j0 * from[1];
        uint8_t* t = target + i * to[0] + j0 * to[1];
        for (int32_t j = j0; j < j1; ++j, s += from[1], t += to[1]) {
          *reinterpret_cast<Element*>(t) = *reinterpret_cast<const Element*>(s);
        }
      }
    }
  }
}

void copy_bytes(const uint8_t* source, uint8_t* target, const int32_t* dims, const ptrdiff_t* from,
                const ptrdiff_t* to) {
  if (!is_transposition(dims, from, to)) return copy_plane<Byte>(source, target, dims, from, to);
  const int32_t rows = dims[0] / kSquare * kSquare, columns = dims[1] / kSquare * kSquare;
  for (int32_t i = 0; i < rows; i += kSquare) {
    for (int32_t j = 0; j < columns; j += kSquare) {
      transpose_square(source + i + j * from[1], from[1], target + i * to[0] + j, to[0]);
    }
  }
  const int32_t right[2] = {dims[0], dims[1] - columns}, below[2] = {dims[0] - rows, columns};
  copy_plane<Byte>(source + columns * from[1], target + columns, right, from, to);
  copy_plane<Byte>(source + rows, target + rows * to[0], below, from, to);
}

// Short blocks (kBlock, 0: of any length) in chunks of 16 bytes, without a call to memcpy for each; for
// word-aligned addresses only.
template <uint32_t kBlock>
void copy_chunks(const uint8_t* source, uint8_t* target, const int32_t* dims, const ptrdiff_t* from,
                 const ptrdiff_t* to, uint32_t any_block) {
  const uint32_t block = kBlock != 0 ? kBlock : any_block;
  for (int32_t i = 0; i < dims[0]; ++i) {
    const uint8_t* s = source + i * from[0];
    uint8_t* t = target + i * to[0];
    for (int32_t j = 0; j < dims[1]; ++j, s += from[1], t += to[1]) {
      for (uint32_t k = 0; k < block; k += kChunk) {
        memcpy(__builtin_assume_aligned(t + k, 4), __builtin_assume_aligned(s + k, 4), kChunk);
      }
    }
  }
}

void copy_any_blocks(const uint8_t* source, uint8_t* target, const int32_t* dims, const ptrdiff_t* from,
                     const ptrdiff_t* to, uint32_t block) {
  for (int32_t i = 0; i < dims[0]; ++i) {
    const uint8_t* s = source + i * from[0];
    uint8_t* t = target + i * to[0];
    for (int32_t j = 0; j < dims[1]; ++j, s += from[1], t += to[1]) memcpy(t, s, block);
  }
}

using BlockCopier = decltype(copy_any_blocks)*;

BlockCopier block_copier(uint32_t block, uint32_t alignment) {
  if (alignment != 4 || block % kChunk != 0 || block > kLongestInChunks) return copy_any_blocks;
  if (!kCodeIsCheap) return copy_chunks<0>;
  return block == 16 ? copy_chunks<16> : block == 32 ? copy_chunks<32> : copy_chunks<0>;
}

// The largest power of two up to 4 that divides every address of the copy.
uint32_t alignment_of(const StridedCopy& copy, const uint8_t* source, const uint8_t* target) {
  uintptr_t all = 4 | reinterpret_cast<uintptr_t>(source) | reinterpret_cast<uintptr_t>(target);
  for (int32_t i = 0; i < copy.rank; ++i) {
    all |= static_cast<uintptr_t>(copy.source_strides[i]) | static_cast<uintptr_t>(copy.target_strides[i]);
  }
  return static_cast<uint32_t>(all & (~all + 1));
}

// Rows [begin, end) of the outermost axis of a copy of rank >= 2.
void copy_rows(const StridedCopy& copy, const uint8_t* source, uint8_t* target, int32_t begin, int32_t end) {
  const uint32_t alignment = alignment_of(copy, source, target);
  const uint32_t word = copy.block <= alignment ? copy.block : 0;
  const auto copy_blocks = block_copier(copy.block, alignment);
  const int32_t outer = copy.rank - 2;
  int32_t dims[2] = {copy.dims[outer], copy.dims[outer + 1]};
  ptrdiff_t from[2] = {copy.source_strides[outer], copy.source_strides[outer + 1]};
  ptrdiff_t to[2] = {copy.target_strides[outer], copy.target_strides[outer + 1]};
  source += begin * copy.source_strides[0];
  target += begin * copy.target_strides[0];
  if (outer == 0) dims[0] = end - begin;
  if (dims[1] == 1) {  // one long inner loop instead of many short ones
    dims[1] = dims[0];
    from[1] = from[0];
    to[1] = to[0];
    dims[0] = 1;
  }

  int32_t index[kMaxCopyRank] = {};
  index[0] = begin;
  while (true) {
    switch (word) {
      case 1:
        copy_bytes(source, target, dims, from, to);
        break;
      case 2:
        copy_plane<Half>(source, target, dims, from, to);
        break;
      case 4:
        copy_plane<Word>(source, target, dims, from, to);
        break;
      default:
        copy_blocks(source, target, dims, from, to, copy.block);
    }
    int32_t axis = outer - 1;
    for (; axis >= 0; --axis) {
      source += copy.source_strides[axis];
      target += copy.target_strides[axis];
      if (++index[axis] < (axis == 0 ? end : copy.dims[axis])) break;
      if (axis == 0) return;
      source -= copy.source_strides[axis] * copy.dims[axis];
      target -= copy.target_strides[axis] * copy.dims[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

// As copy_rows wants it: two axes at least; the outer one is what threads share.
StridedCopy with_two_axes(const StridedCopy& copy) {
  StridedCopy padded = copy;
  const ptrdiff_t block = static_cast<ptrdiff_t>(copy.block);
  while (padded.rank < 2) padded.add_axis(1, block, block);
  return padded;
}

int64_t bytes_of_row(const StridedCopy& copy) {
  int64_t bytes = copy.block;
  for (int32_t i = 1; i < copy.rank; ++i) bytes *= copy.dims[i];
  return bytes;
}

}  // namespace

void dense_strides(const Shape& shape, uint32_t element_bytes, ptrdiff_t* strides) {
  ptrdiff_t stride = static_cast<ptrdiff_t>(element_bytes);
  for (int32_t i = shape.rank - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape.dims[i];
  }
}

void simplify(StridedCopy* copy) {
  StridedCopy merged;
  merged.block = copy->block;
  merged.source_offset = copy->source_offset;
  merged.target_offset = copy->target_offset;
  for (int32_t i = 0; i < copy->rank; ++i) {
    if (copy->dims[i] == 1) continue;
    const int32_t last = merged.rank - 1;
    if (last >= 0 && merged.source_strides[last] == copy->source_strides[i] * copy->dims[i] &&
        merged.target_strides[last] == copy->target_strides[i] * copy->dims[i]) {
      merged.dims[last] *= copy->dims[i];
      merged.source_strides[last] = copy->source_strides[i];
      merged.target_strides[last] = copy->target_strides[i];
    } else {
      merged.add_axis(copy->dims[i], copy->source_strides[i], copy->target_strides[i]);
    }
  }
  const ptrdiff_t block = static_cast<ptrdiff_t>(merged.block);
  const int32_t last = merged.rank - 1;
  if (last >= 0 && merged.source_strides[last] == block && merged.target_strides[last] == block) {
    merged.block *= static_cast<uint32_t>(merged.dims[last]);
    --merged.rank;
  }
  *copy = merged;
}

void run_copy(const StridedCopy& copy, const void* source, void* target, WorkerPool* workers) {
  const uint8_t* from = static_cast<const uint8_t*>(source) + copy.source_offset;
  uint8_t* to = static_cast<uint8_t*>(target) + copy.target_offset;
  if (copy.rank == 0) {
    memcpy(to, from, copy.block);
    return;
  }
  const StridedCopy padded = with_two_axes(copy);
  const int32_t grain = static_cast<int32_t>(kBytesPerThread / bytes_of_row(padded)) + 1;
  parallel_for(workers, padded.dims[0], grain,
               [&](int32_t begin, int32_t end, int32_t) { copy_rows(padded, from, to, begin, end); });
}

void run_copies(const StridedCopy* copies, Parts parts, const Run& node) {
  const bool inputs = parts == Parts::kInputs;
  const int32_t count = inputs ? node.input_count : node.output_count;
  const auto source = [&](int32_t k) { return node.inputs[inputs ? k : 0]->data; };
  const auto target = [&](int32_t k) { return node.outputs[inputs ? 0 : k]->data; };
  if (!kCodeIsCheap || copies[0].rank == 0) {  // of rank 0: one row
    for (int32_t k = 0; k < count; ++k) run_copy(copies[k], source(k), target(k), node.workers);
    return;
  }
  int64_t row_bytes = 0;
  for (int32_t k = 0; k < count; ++k) row_bytes += bytes_of_row(copies[k]);
  const int32_t stretch = static_cast<int32_t>(kStretchBytes / row_bytes) + 1;
  const int32_t grain = static_cast<int32_t>(kBytesPerThread / row_bytes) + 1;
  parallel_for(node.workers, copies[0].dims[0], grain, [&](int32_t begin, int32_t end, int32_t) {
    for (int32_t row = begin; row < end; row += stretch) {
      const int32_t next = end - row < stretch ? end : row + stretch;
      for (int32_t k = 0; k < count; ++k) {
        const uint8_t* from = static_cast<const uint8_t*>(source(k)) + copies[k].source_offset;
        uint8_t* to = static_cast<uint8_t*>(target(k)) + copies[k].target_offset;
        copy_rows(with_two_axes(copies[k]), from, to, row, next);
      }
    }
  });
}

}  // namespace shrike
