// What an operator is to the runtime: a name, a prepare step (runs once, at load: checks everything, infers
// output shapes, precomputes parameters) and a run step (hot: trusts prepare). One file per operator in this
// folder; each defines one `extern const Operator op_<name>;`, which shrike/operators.h declares and
// all_operators.cpp lists.
#pragma once
#include <stddef.h>

#include "chips/chip.h"
#include "kernels/kernels.h"
#include "shrike/model.h"
#include "shrike/status.h"
#include "shrike/tensor.h"

namespace shrike {

// A variable or an initializer inside the model.
struct Tensor {
  Text name;
  DataType type = DataType::kUndefined;  // kUndefined: absent optional input
  Shape shape;
  int32_t exponent = 0;
  const int64_t* exponents =
      nullptr;  // per output channel, `exponent_count` >= 2 of them; else null. 8-byte aligned
  int32_t exponent_count = 0;
  void* data =
      nullptr;  // initializer: in the file (16-byte aligned). Variable: in the arena, set after planning
  bool constant = false;

  bool present() const { return type != DataType::kUndefined; }
  uint64_t bytes() const { return static_cast<uint64_t>(shape.elements()) * size_of(type); }
};

// How an operator's output may share memory with its input 0.
enum class InPlace : uint8_t {
  kNo,
  kOverwrite,  // element-wise: may write over an input of at least the same byte size
  kAlias,      // same bytes, no work (Reshape-like): run() is skipped when memory is shared
};

struct Prepare;

// Typed access to a node's attributes. A missing attribute gives the default; one of another kind is an error
// reported by Prepare::status.
struct Attributes {
  const Prepare* owner;
  bool has(const char* name) const;
  int64_t integer(const char* name, int64_t fallback) const;
  float real(const char* name, float fallback) const;
  Text text(const char* name) const;  // empty when absent
  // Copies up to `capacity` entries; returns the number in the file, or -1 when absent.
  int32_t integers(const char* name, int64_t* values, int32_t capacity) const;
};

// Everything an operator sees at load time. Inputs have shape, type, exponent (and data when constant);
// outputs have type and exponent from value_info, and prepare() must set their shapes.
struct Prepare {
  const Chip* chip;
  Rounding rounding;  // the chip's
  Accumulators accumulators;
  const KernelSet* kernels;
  int threads;
  bool measuring;  // the model won't be run: contents of memory from allocate_packed() don't matter
  bool is_16_bit;  // quant_type: false = S8, true = S16 (A = 16 or 8 in spec/espdl-format.md section 6)

  int32_t input_count;
  Tensor* const* inputs;  // [input_count]; never null, absent ones are !present()
  int32_t output_count;
  Tensor* const* outputs;
  Attributes attributes;

  // Results
  void* parameters = nullptr;  // handed to run()
  uint64_t scratch_bytes = 0;  // shared scratch, 64-byte aligned, undefined contents
  InPlace in_place = InPlace::kNo;
  uint64_t macs = 0;
  const int8_t* table_8 = nullptr;  // all the operator does: output = table_8[input + 128]
  bool takes_table = false;         // run() can apply such a table to output 0 as it computes it

  // Memory that lives as long as the model, zero-filled, `alignment` a power of two <= 64. Null when the
  // arena is exhausted: return arena_status() then.
  void* allocate(size_t bytes, size_t alignment = 16);
  // The same for a kernel's copy of weights: null while the model is only measured, which needs no contents.
  void* allocate_packed(size_t bytes);
  Status arena_status() const;
  Status error(StatusCode code, const char* detail) const;  // fills in the node
  // The LUT initializer named by attribute `lut`, or null.
  const Tensor* table() const;

  void* internal;  // the loader's
};

struct Run {
  const Tensor* const* inputs;
  int32_t input_count;
  Tensor* const* outputs;
  int32_t output_count;
  void* parameters;
  void* scratch;
  WorkerPool* workers;  // never null
  const KernelSet* kernels;
  SaturationCount* saturated;
  const int8_t* table;  // applied to output 0 when not null; only where prepare() said takes_table
};

struct Operator {
  const char* type;
  Status (*prepare)(Prepare& node);
  void (*run)(const Run& node);
  void (*reset)(void* parameters) = nullptr;  // StreamingCache
};

}  // namespace shrike
