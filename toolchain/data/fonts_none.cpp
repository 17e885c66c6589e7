#include "toolchain/data/fonts.h"
#include "toolchain/support/error.h"

namespace shrike::data {

std::shared_ptr<const Lettering::Fonts> open_fonts(const std::vector<std::string>& paths) {
  fail("'{}': this program was built without FreeType and reads no fonts", paths[0]);
}

}  // namespace shrike::data
