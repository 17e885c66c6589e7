#include "ops/conv_plan.h"

#include "kernels/weight_layout.h"
#include "ops/checks.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int64_t kHighest40 = (int64_t{1} << 39) - 1;

uint64_t align64(uint64_t bytes) {
  return (bytes + 63) & ~uint64_t{63};
}

template <typename T>
T* new_array(Prepare& node, int32_t count) {
  return static_cast<T*>(node.allocate(static_cast<size_t>(count) * sizeof(T), 16));
}

// The register that holds a shift count has five bits (spec/numerics.md 3.3).
int32_t shift_of_unit(const Chip& chip, int32_t shift) {
  return shift > chip.largest_whole_shift ? shift & 31 : shift;
}

// Shifts e_out - e_in - e_w[n] of all channels (spec/numerics.md 3.1).
Status find_shifts(Prepare& node, const ConvRequest& request, int16_t** result) {
  const Tensor& filter = *request.filter;
  const int32_t channels = request.geometry.out_c;
  SHRIKE_RETURN_IF_ERROR(expect_exponents(node, *request.input, *request.output));
  if (filter.exponents != nullptr) {
    if (filter.exponent_count != channels) {
      return node.error(StatusCode::kBadExponent, "the filter's exponents are not one per output channel");
    }
    if (!node.chip->per_channel_exponents) {
      return node.error(StatusCode::kBadExponent, "this chip has no filters with an exponent per channel");
    }
  }
  int16_t* shifts = new_array<int16_t>(node, channels);
  if (shifts == nullptr) return node.arena_status();
  for (int32_t n = 0; n < channels; ++n) {
    const int64_t exponent = filter.exponents == nullptr ? filter.exponent : filter.exponents[n];
    if (exponent < -kLargestOperandExponent || exponent > kLargestOperandExponent) {
      return node.error(StatusCode::kBadExponent, "a filter exponent is outside -60..60");
    }
    const int32_t shift = request.output->exponent - request.input->exponent - static_cast<int32_t>(exponent);
    if (shift < 0 && !node.chip->left_shifts) {
      return node.error(StatusCode::kBadExponent, "the output exponent is below input plus filter exponent");
    }
    shifts[n] = static_cast<int16_t>(shift_of_unit(*node.chip, shift));
  }
  *result = shifts;
  return {};
}

Status check_types(const Prepare& node, const ConvRequest& request) {
  const DataType type = node.is_16_bit ? DataType::kInt16 : DataType::kInt8;
  if (request.input->type != type || request.filter->type != type || request.output->type != type) {
    return node.error(StatusCode::kUnsupportedType,
                      "input, filter and output are not of the type quant_type says");
  }
  const Tensor* bias = request.bias;
  if (bias == nullptr) return {};
  if (!bias->constant || bias->type != (node.is_16_bit ? DataType::kInt64 : DataType::kInt32)) {
    return node.error(StatusCode::kUnsupportedType,
                      "the bias is not a constant of type INT32 (INT64 at 16 bit)");
  }
  if (bias->shape.elements() != request.geometry.out_c) {
    return node.error(StatusCode::kBadShape, "the bias does not have one value per output channel");
  }
  return {};
}

ExactSums exact_sums(const Prepare& node) {
  ExactSums exact{};
  const Arithmetic& arithmetic = node.chip->arithmetic_8;
  exact.block = arithmetic.block;
  exact.remainder = arithmetic.remainder;
  if (exact.block == Lane::kSaturating20 && node.accumulators == Accumulators::kWide) {
    exact.block = Lane::kSaturating32;
  }
  exact.lanes20 = node.kernels->lanes20;
  return exact;
}

// The fast kernels get shifts that 32-bit sums can take and biases that leave them head room; what that
// changes is recomputed by correct_rows.
Status fill_fast_operands(Prepare& node, const ExactSums& exact, Conv8* conv) {
  const int32_t channels = conv->geometry.out_c;
  int8_t* shifts = new_array<int8_t>(node, channels);
  if (shifts == nullptr) return node.arena_status();
  conv->shifts = shifts;
  bool large_bias = false;
  for (int32_t n = 0; n < channels; ++n) {
    const int32_t shift = exact.shifts[n];
    shifts[n] = static_cast<int8_t>(shift < 0 ? 0 : shift > 31 ? 31 : shift);
    if (exact.bias != nullptr && (exact.bias[n] >= 1 << 30 || exact.bias[n] <= -(1 << 30))) large_bias = true;
  }
  conv->bias = exact.bias;
  if (!large_bias) return {};
  int32_t* bias = new_array<int32_t>(node, channels);
  if (bias == nullptr) return node.arena_status();
  for (int32_t n = 0; n < channels; ++n) {
    const bool large = exact.bias[n] >= 1 << 30 || exact.bias[n] <= -(1 << 30);
    bias[n] = large ? 0 : exact.bias[n];
  }
  conv->bias = bias;
  return {};
}

// Takes the table's kernel, or the fallback's when it refuses (0 packed bytes); packs weights that are known.
template <class Kernel, class Conv>
Status choose_kernel(Prepare& node, const Kernel& fast, const Kernel* fallback, size_t packed_bytes,
                     ConvPlan* plan, Conv* conv, const Kernel** chosen) {
  *chosen = packed_bytes == 0 && fallback != nullptr ? fallback : &fast;
  if (plan->weights_vary) {
    plan->packed_scratch = align64(packed_bytes);
  } else if (packed_bytes > 0) {
    conv->packed = node.allocate_packed(packed_bytes);
    if (node.measuring) return {};
    if (conv->packed == nullptr) return node.arena_status();
    fast.pack(*conv, conv->packed);
  }
  return {};
}

Status plan_8(Prepare& node, const ConvRequest& request, ConvPlan* plan) {
  Conv8& conv = plan->conv8;
  if (taps_per_channel(conv.geometry) >= 1 << 16) {
    return node.error(StatusCode::kBadShape, "a filter has more than 65535 weights per output channel");
  }
  SHRIKE_RETURN_IF_ERROR(fill_fast_operands(node, plan->exact, &conv));
  const auto of = [&conv](const KernelSet* kernels) {
    return kernels == nullptr ? nullptr : conv.geometry.depthwise ? &kernels->depthwise8 : &kernels->conv8;
  };
  const Conv8Kernel& fast = *of(node.kernels);
  // The kernel may look at weights that are known to say how much it needs.
  if (!plan->weights_vary) conv.weights = static_cast<const int8_t*>(request.filter->data);
  SHRIKE_RETURN_IF_ERROR(choose_kernel(node, fast, of(node.kernels->fallback), fast.packed_bytes(conv), plan,
                                       &conv, &plan->kernel));
  if (plan->weights_vary) {
    plan->limits_scratch = align64(static_cast<uint64_t>(conv.geometry.out_c) * kCentres * sizeof(int32_t));
    plan->corrected = true;
    return {};
  }
  plan->corrected = needs_correction(conv, plan->exact);
  if (!plan->corrected) return {};
  int32_t* limits = new_array<int32_t>(node, conv.geometry.out_c * kCentres);
  if (limits == nullptr) return node.arena_status();
  find_limits(conv, plan->exact, limits);
  plan->exact.limits = limits;
  return {};
}

// The low `bits` bits of a stored bias, sign-extended.
int64_t low_bits(int64_t value, int32_t bits) {
  return static_cast<int64_t>(static_cast<uint64_t>(value) << (64 - bits)) >> (64 - bits);
}

// Biases as the lanes and registers of the chip read them (spec/numerics.md 3.5).
Status read_bias_16(Prepare& node, const ConvRequest& request, ConvPlan* plan) {
  Conv16& conv = plan->conv16;
  const ConvGeometry& g = conv.geometry;
  const int32_t blocked = g.depthwise ? g.out_c : blocked_channels<int16_t>(g, conv.layout);
  if (request.bias != nullptr) {
    const int64_t* stored = static_cast<const int64_t*>(request.bias->data);
    int64_t* bias = new_array<int64_t>(node, g.out_c);
    if (bias == nullptr) return node.arena_status();
    const Arithmetic& arithmetic = node.chip->arithmetic_16;
    const int64_t limit = int64_t{1} << (kMostBiasBits - 1);
    for (int32_t n = 0; n < g.out_c; ++n) {
      bias[n] =
          low_bits(stored[n], n < blocked ? arithmetic.block_bias_bits : arithmetic.remainder_bias_bits);
      if (bias[n] >= limit || bias[n] < -limit) {
        return node.error(StatusCode::kUnsupportedType, "a bias has more than 62 bits");
      }
    }
    conv.bias = bias;
  }
  return {};
}

// The channels whose 40-bit lanes may saturate (spec/numerics.md 3.4).
Status find_saturating_16(Prepare& node, ConvPlan* plan) {
  Conv16& conv = plan->conv16;
  const ConvGeometry& g = conv.geometry;
  if (node.chip->arithmetic_16.block != Lane::kSaturating40) return {};
  if (node.accumulators == Accumulators::kWide) return {};
  uint8_t* saturating = new_array<uint8_t>(node, g.out_c);
  if (saturating == nullptr) return node.arena_status();
  const int32_t blocked = g.depthwise ? g.out_c : blocked_channels<int16_t>(g, conv.layout);
  for (int32_t n = 0; n < blocked; ++n) {
    const ChannelTaps at = channel_taps<int16_t>(g, conv.layout, n);
    const size_t taps = taps_per_channel(g);
    int64_t bound = conv.bias == nullptr ? 0 : conv.bias[n] < 0 ? -conv.bias[n] : conv.bias[n];
    for (size_t tap = 0; tap < taps; ++tap) {
      const int64_t weight = plan->weights_vary ? 32768 : conv.weights[at.offset + tap * at.stride];
      bound += 32768 * (weight < 0 ? -weight : weight);
    }
    saturating[n] = bound > kHighest40;
    if (saturating[n] != 0) conv.saturating = saturating;
  }
  return {};
}

Status plan_16(Prepare& node, const ConvRequest& request, ConvPlan* plan) {
  Conv16& conv = plan->conv16;
  SHRIKE_RETURN_IF_ERROR(read_bias_16(node, request, plan));
  if (!plan->weights_vary) conv.weights = static_cast<const int16_t*>(request.filter->data);
  SHRIKE_RETURN_IF_ERROR(find_saturating_16(node, plan));
  const Conv16Kernel& fast = node.kernels->conv16;
  const Conv16Kernel* fallback =
      node.kernels->fallback == nullptr ? nullptr : &node.kernels->fallback->conv16;
  const size_t packed_bytes = conv.saturating == nullptr ? fast.packed_bytes(conv) : 0;
  return choose_kernel(node, fast, fallback, packed_bytes, plan, &conv, &plan->kernel16);
}

// Enough pieces per thread to even out, each worth handing out.
void cut_into_pieces(const Prepare& node, ConvPlan* plan) {
  const ConvGeometry& g = plan->conv8.geometry;
  plan->by_pixel = g.kernel_h == 1 && g.kernel_w == 1 && g.stride_h == 1 && g.stride_w == 1 &&
                   g.in_h == g.out_h && g.in_w == g.out_w && g.pad_top == 0 && g.pad_left == 0;
  const int32_t items = plan->by_pixel ? g.out_h * g.out_w : g.out_h;
  plan->items = items;
  constexpr uint64_t kMacsWorthAPiece = 100000;
  const uint64_t worthwhile = node.macs / static_cast<uint64_t>(plan->images) / kMacsWorthAPiece;
  int32_t pieces = slots_for(node.threads, items) * kPiecesASlot;
  if (static_cast<uint64_t>(pieces) > worthwhile) pieces = static_cast<int32_t>(worthwhile);
  if (pieces < 1 || node.threads < 2) pieces = 1;
  if (pieces > items) pieces = items;
  plan->piece_items = (items + pieces - 1) / pieces;
  constexpr int32_t kPixelTile = 16;
  if (plan->by_pixel && pieces > 1)
    plan->piece_items = (plan->piece_items + kPixelTile - 1) / kPixelTile * kPixelTile;
  plan->pieces = (items + plan->piece_items - 1) / plan->piece_items;
  plan->slots = slots_for(node.threads, plan->pieces);
  if (!plan->by_pixel) return;
  // From here on the convolution is one row of pixels; a piece is a part of it.
  ConvGeometry& row = plan->conv8.geometry;
  row.in_h = row.out_h = 1;
  row.in_w = row.out_w = plan->piece_items;
  plan->conv16.geometry = row;
}

struct Job {
  const ConvPlan* plan;
  Conv8 conv8;
  Conv16 conv16;
  ExactSums exact;
  bool corrected;
  const void* input;
  void* output;
  uint8_t* scratch;     // of all slots
  const int8_t* table;  // 8 bit: applied to every piece of the output; null: none
  decltype(KernelSet::lookup8) lookup8;
};

uint64_t columns_bytes(const ConvGeometry& g) {
  return align64(static_cast<uint64_t>(g.in_w) * sizeof(ColumnSums));
}

// Scratch of one slot: its counter, the columns of correct_rows, the kernel's own.
SaturationCount run_piece_8(const Job& job, const Conv8& conv, const int8_t* input, int8_t* output,
                            int32_t begin, int32_t end, uint8_t* scratch) {
  ColumnSums* columns = reinterpret_cast<ColumnSums*>(scratch);
  uint8_t* own = scratch + columns_bytes(job.plan->conv8.geometry);
  job.plan->kernel->run(conv, input, output, begin, end, own);
  SaturationCount saturated;
  if (job.corrected) saturated = correct_rows(conv, job.exact, input, output, begin, end, columns);
  if (job.table != nullptr) {
    const ConvGeometry& g = conv.geometry;
    const size_t row = static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
    int8_t* first = output + static_cast<size_t>(begin) * row;
    job.lookup8(first, first, static_cast<size_t>(end - begin) * row, job.table);
  }
  return saturated;
}

SaturationCount* counter_of(const Job& job, int32_t slot) {
  return reinterpret_cast<SaturationCount*>(job.scratch +
                                            static_cast<uint64_t>(slot) * job.plan->slot_scratch);
}

void run_piece(const Job& job, int32_t index, int32_t slot) {
  const ConvPlan& plan = *job.plan;
  const int32_t begin = index * plan.piece_items;
  int32_t end = begin + plan.piece_items;
  if (end > plan.items) end = plan.items;
  SaturationCount* count = counter_of(job, slot);
  uint8_t* scratch = reinterpret_cast<uint8_t*>(count) + 64;
  if (plan.is_16_bit) {
    const int16_t* input = static_cast<const int16_t*>(job.input);
    int16_t* output = static_cast<int16_t*>(job.output);
    Conv16 conv = job.conv16;
    if (plan.by_pixel) {
      conv.geometry.in_w = conv.geometry.out_w = end - begin;
      input += static_cast<size_t>(begin) * static_cast<size_t>(conv.geometry.in_c);
      output += static_cast<size_t>(begin) * static_cast<size_t>(conv.geometry.out_c);
    }
    count->add(
        plan.kernel16->run(conv, input, output, plan.by_pixel ? 0 : begin, plan.by_pixel ? 1 : end, scratch));
    return;
  }
  const int8_t* input = static_cast<const int8_t*>(job.input);
  int8_t* output = static_cast<int8_t*>(job.output);
  if (!plan.by_pixel) {
    count->add(run_piece_8(job, job.conv8, input, output, begin, end, scratch));
    return;
  }
  Conv8 conv = job.conv8;
  conv.geometry.in_w = conv.geometry.out_w = end - begin;
  input += static_cast<size_t>(begin) * static_cast<size_t>(conv.geometry.in_c);
  output += static_cast<size_t>(begin) * static_cast<size_t>(conv.geometry.out_c);
  count->add(run_piece_8(job, conv, input, output, 0, 1, scratch));
}

}  // namespace

Status plan_convolution(Prepare& node, const ConvRequest& request, ConvPlan* plan) {
  const ConvGeometry& g = request.geometry;
  SHRIKE_RETURN_IF_ERROR(check_types(node, request));
  const Text activation = node.attributes.text("activation");
  const bool relu = activation == "Relu";
  if (!relu && activation.size != 0 && !(activation == "Linear") && !(activation == "None")) {
    return node.error(StatusCode::kBadAttribute, "activation is neither Linear nor Relu");
  }
  int16_t* shifts = nullptr;
  SHRIKE_RETURN_IF_ERROR(find_shifts(node, request, &shifts));
  const WeightLayout layout = node.chip->blocked_filters ? WeightLayout::kBlocked : WeightLayout::kPlain;

  plan->is_16_bit = node.is_16_bit;
  plan->weights_vary = request.weights_vary;
  plan->images = request.images;
  plan->conv8.geometry = plan->conv16.geometry = g;
  plan->conv8.layout = plan->conv16.layout = layout;
  plan->conv8.rounding = plan->conv16.rounding = node.rounding;
  plan->conv8.relu = plan->conv16.relu = relu;
  plan->conv16.shifts = shifts;
  plan->exact = exact_sums(node);
  plan->exact.shifts = shifts;
  if (request.bias != nullptr && !node.is_16_bit)
    plan->exact.bias = static_cast<const int32_t*>(request.bias->data);
  const uint64_t outputs = static_cast<uint64_t>(g.out_h) * static_cast<uint64_t>(g.out_w) *
                           static_cast<uint64_t>(g.out_c) * static_cast<uint64_t>(request.images);
  node.macs = outputs * taps_per_channel(g);
  cut_into_pieces(node, plan);

  if (node.is_16_bit) {
    SHRIKE_RETURN_IF_ERROR(plan_16(node, request, plan));
    plan->slot_scratch = 64 + align64(plan->kernel16->scratch_bytes(plan->conv16));
  } else {
    SHRIKE_RETURN_IF_ERROR(plan_8(node, request, plan));
    // A single piece would no longer be in the cache when it is done.
    node.takes_table = plan->pieces > 1;
    plan->slot_scratch =
        64 + columns_bytes(plan->conv8.geometry) + align64(plan->kernel->scratch_bytes(plan->conv8));
  }
  node.scratch_bytes =
      plan->packed_scratch + plan->limits_scratch + static_cast<uint64_t>(plan->slots) * plan->slot_scratch;
  return {};
}

void run_convolution(const ConvPlan& plan, const Run& run, const void* input, const void* weights,
                     void* output) {
  Job job{&plan,          plan.conv8,
          plan.conv16,    plan.exact,
          plan.corrected, input,
          output,         static_cast<uint8_t*>(run.scratch),
          run.table,      run.kernels->lookup8};
  if (plan.weights_vary) {
    job.conv8.weights = static_cast<const int8_t*>(weights);
    job.conv16.weights = static_cast<const int16_t*>(weights);
    if (plan.is_16_bit) {
      job.conv16.packed = job.scratch;
      if (plan.packed_scratch > 0) plan.kernel16->pack(job.conv16, job.scratch);
    } else {
      if (plan.packed_scratch > 0) {
        job.conv8.packed = job.scratch;
        plan.kernel->pack(job.conv8, job.scratch);
      }
      int32_t* limits = reinterpret_cast<int32_t*>(job.scratch + plan.packed_scratch);
      job.corrected = needs_correction(job.conv8, plan.exact);
      if (job.corrected) find_limits(job.conv8, plan.exact, limits);
      job.exact.limits = limits;
    }
    job.scratch += plan.packed_scratch + plan.limits_scratch;
  }
  for (int32_t slot = 0; slot < plan.slots; ++slot) *counter_of(job, slot) = {};
  share_out(run.workers, plan.pieces, plan.slots,
            [&job](int32_t piece, int32_t slot) { run_piece(job, piece, slot); });
  for (int32_t slot = 0; slot < plan.slots; ++slot) run.saturated->add(*counter_of(job, slot));
}

}  // namespace shrike
