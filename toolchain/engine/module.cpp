// The module's door from inside.
#include "toolchain/engine/module.h"

#include <ATen/Version.h>

#include "toolchain/engine/self_check.h"
#include "toolchain/system/library.h"

namespace {

// What LibTorch's own kernels use, from its description of itself.
std::string torch_capability() {
  const std::string text = at::show_config(), key = "CPU capability usage: ";
  const size_t at = text.find(key);
  if (at == std::string::npos) return "unknown";
  const size_t begin = at + key.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string describe_path() {
  std::string path = "LibTorch " + torch_capability();
  if (auto* isa = shrike::find_in_process<int()>("dnnl_get_effective_cpu_isa"))
    path += fmt::format(", oneDNN {:#x}", isa());
  return path;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* shrike_float_path() {
  static const std::string path = describe_path();
  return path.c_str();
}

extern "C" __attribute__((visibility("default"))) const shrike::engine::FloatModule* shrike_float_module() {
  using namespace shrike::engine;
  limit_instructions();
  static const std::string identity = module_identity();
  static const FloatModule module{identity.c_str(), &kEngineTable, &kLinalgTable, &kGradientTable,
                                  &kCollectiveTable};
  return &module;
}
