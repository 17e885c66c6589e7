// The module's door from inside.
#include "toolchain/engine/module.h"

extern "C" __attribute__((visibility("default"))) const shrike::engine::FloatModule* shrike_float_module() {
  using namespace shrike::engine;
  static const std::string identity = module_identity();
  static const FloatModule module{identity.c_str(), &kEngineTable, &kLinalgTable, &kGradientTable};
  return &module;
}
