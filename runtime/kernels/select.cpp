// Chooses the kernels: one visible table per instruction set, in order of preference.
#include <string.h>

#include "kernels/kernels.h"
#if defined(__aarch64__)
#include "kernels/neon/neon.h"
#include "kernels/neon_dot/neon_dot.h"
#endif
#if defined(__x86_64__)
#include <cpuid.h>

#include "kernels/x86_avx2/avx2.h"
#include "kernels/x86_avx512vbmi/avx512vbmi.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avxvnni/avxvnni.h"
#endif
#if defined(__wasm_simd128__)
#include "kernels/wasm/wasm.h"
#endif

namespace shrike {
namespace {

struct Choice {
  const KernelSet* kernels;
  bool (*supported)();
  bool (*preferred)();  // over those before it
};

bool always() {
  return true;
}

// Two products in one multiplication pay where nothing else multiplies several at once: not on 64-bit
// machines, whose compilers turn the portable loops into vector instructions.
bool on_32_bits() {
  return sizeof(void*) == 4;
}

#if defined(__x86_64__)

// __builtin_cpu_supports also asks whether the operating system keeps the wide registers.
bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2");
}

bool has_avx512vnni() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_avx512vbmi() {
  return has_avx512vnni() && __builtin_cpu_supports("avx512vbmi");
}

// Leaf 7, subleaf 1 (Intel's manual, CPUID); not every compiler's __builtin_cpu_supports knows the name.
bool has_avxvnni() {
  constexpr unsigned kAvxVnni = 1u << 4;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnni) != 0;
}

constexpr Conv8Kernel kDepthwiseAvx2 = {"depthwise_s8_2x16_avx2", avx2::depthwise8_packed_bytes,
                                        avx2::depthwise8_pack, avx2::depthwise8_scratch_bytes,
                                        avx2::depthwise8_run};

constexpr Conv16Kernel kConv16Avx2 = {"conv_s16_3x16_avx2", avx2::conv16_packed_bytes, avx2::conv16_pack,
                                      avx2::conv16_scratch_bytes, avx2::conv16_run};

constexpr KernelSet kAvx2Kernels = {
    "avx2",
    {"conv_s8_5x16_avx2", avx2::conv8_packed_bytes, avx2::conv8_pack, avx2::conv8_scratch_bytes,
     avx2::conv8_run},
    kDepthwiseAvx2,
    kConv16Avx2,
    avx2::lookup8,
    avx2::add8,
    avx2::mul8,
    avx2::requantize8,
    avx2::quantize8,
    avx2::maximum8,
    avx2::lanes20,
    &kPortableKernels,
};

constexpr KernelSet kAvxVnniKernels = {
    "avxvnni",
    {"conv_s8_6x16_avxvnni", avxvnni::conv8_packed_bytes, avxvnni::conv8_pack, avxvnni::conv8_scratch_bytes,
     avxvnni::conv8_run},
    {"depthwise_s8_2x32_avxvnni", avxvnni::depthwise8_packed_bytes, avxvnni::depthwise8_pack,
     avxvnni::depthwise8_scratch_bytes, avxvnni::depthwise8_run},
    kConv16Avx2,
    avx2::lookup8,
    avx2::add8,
    avx2::mul8,
    avx2::requantize8,
    avx2::quantize8,
    avx2::maximum8,
    avx2::lanes20,
    &kPortableKernels,
};

// With and without VBMI, which only looks up tables.
constexpr KernelSet avx512_kernels(const char* isa, decltype(KernelSet::lookup8) lookup8) {
  return {
      isa,
      {"conv_s8_6x64_avx512vnni", avx512vnni::conv8_packed_bytes, avx512vnni::conv8_pack,
       avx512vnni::conv8_scratch_bytes, avx512vnni::conv8_run},
      {"depthwise_s8_2x3x64_avx512vnni", avx512vnni::depthwise8_packed_bytes, avx512vnni::depthwise8_pack,
       avx512vnni::depthwise8_scratch_bytes, avx512vnni::depthwise8_run},
      kConv16Avx2,
      lookup8,
      avx2::add8,
      avx2::mul8,
      avx2::requantize8,
      avx2::quantize8,
      avx2::maximum8,
      avx2::lanes20,
      &kPortableKernels,
  };
}

constexpr KernelSet kAvx512VnniKernels = avx512_kernels("avx512vnni", avx512vnni::lookup8);
constexpr KernelSet kAvx512VbmiKernels = avx512_kernels("avx512vbmi", avx512vbmi::lookup8);

#endif

constexpr Choice kChoices[] = {
    {&kPortableKernels, always, always},  // the oracle
    {&kPairKernels, always, on_32_bits},
#if defined(__aarch64__)
    {&neon::kKernels, always, always},
    {&neon_dot::kKernels, neon_dot::supported, always},
#endif
#if defined(__x86_64__)
    {&kAvx2Kernels, has_avx2, always},
    {&kAvxVnniKernels, has_avxvnni, always},
    {&kAvx512VnniKernels, has_avx512vnni, always},
    {&kAvx512VbmiKernels, has_avx512vbmi, always},
#endif
#if defined(__wasm_simd128__)
    {&kSimd128Kernels, always, always},
#endif
};

}  // namespace

const KernelSet* kernels_by_name(const char* isa) {
  for (const Choice& choice : kChoices) {
    if (strcmp(choice.kernels->isa, isa) == 0) return choice.supported() ? choice.kernels : nullptr;
  }
  return nullptr;
}

const KernelSet* available_kernels(int index) {
  for (const Choice& choice : kChoices) {
    if (choice.supported() && index-- == 0) return choice.kernels;
  }
  return nullptr;
}

const KernelSet* built_kernels(int index) {
  constexpr int kCount = sizeof kChoices / sizeof kChoices[0];
  return index < kCount ? kChoices[index].kernels : nullptr;
}

const KernelSet* best_kernels() {
  const KernelSet* best = &kPortableKernels;
  for (const Choice& choice : kChoices) {
    if (choice.supported() && choice.preferred()) best = choice.kernels;
  }
  return best;
}

}  // namespace shrike
