// Prints the settings that a quantisation starts from.
#include <cstdio>

#include "toolchain/pipeline/settings_file.h"

int main() {
  std::puts(shrike::quantize::to_yaml({}).c_str());
  return 0;
}
