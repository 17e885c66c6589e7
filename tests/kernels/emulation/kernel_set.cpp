// The tables of the emulated kernels. The build renames their namespaces, so that this program can hold the
// real ones too.
#include "kernels/x86_avx512vbmi/avx512vbmi.h"
#include "kernels/x86_avx512vnni/avx512vnni.h"
#include "kernels/x86_avxvnni/avxvnni.h"
#include "tests/kernels/tables.h"

namespace shrike::tests {

const KernelSet* emulated_avx512vnni() {
  const KernelSet* avx2 = kernels_by_name("avx2");
  if (avx2 == nullptr) return nullptr;  // the emulation itself is compiled for AVX2
  static const KernelSet kernels = [avx2] {
    KernelSet set = *avx2;
    set.isa = "emulated avx512vnni";
    set.conv8 = {"conv_s8_6x64_avx512vnni", avx512vnni::conv8_packed_bytes, avx512vnni::conv8_pack,
                 avx512vnni::conv8_scratch_bytes, avx512vnni::conv8_run};
    set.depthwise8 = {"depthwise_s8_2x3x64_avx512vnni", avx512vnni::depthwise8_packed_bytes,
                      avx512vnni::depthwise8_pack, avx512vnni::depthwise8_scratch_bytes,
                      avx512vnni::depthwise8_run};
    set.lookup8 = avx512vnni::lookup8;
    return set;
  }();
  return &kernels;
}

const KernelSet* emulated_avx512vbmi() {
  const KernelSet* vnni = emulated_avx512vnni();
  if (vnni == nullptr) return nullptr;
  static const KernelSet kernels = [vnni] {
    KernelSet set = *vnni;
    set.isa = "emulated avx512vbmi";
    set.lookup8 = avx512vbmi::lookup8;
    return set;
  }();
  return &kernels;
}

const KernelSet* emulated_avxvnni() {
  const KernelSet* avx2 = kernels_by_name("avx2");
  if (avx2 == nullptr) return nullptr;
  static const KernelSet kernels = [avx2] {
    KernelSet set = *avx2;
    set.isa = "emulated avxvnni";
    set.conv8 = {"conv_s8_6x16_avxvnni", avxvnni::conv8_packed_bytes, avxvnni::conv8_pack,
                 avxvnni::conv8_scratch_bytes, avxvnni::conv8_run};
    set.depthwise8 = {"depthwise_s8_2x32_avxvnni", avxvnni::depthwise8_packed_bytes, avxvnni::depthwise8_pack,
                      avxvnni::depthwise8_scratch_bytes, avxvnni::depthwise8_run};
    return set;
  }();
  return &kernels;
}

}  // namespace shrike::tests
