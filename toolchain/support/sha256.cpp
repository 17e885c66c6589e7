#include "toolchain/support/sha256.h"

#include "shrike/sha256.h"

namespace shrike {

std::string sha256(const void* data, size_t count) {
  return sha256_text(data, count).digits;
}

}  // namespace shrike
