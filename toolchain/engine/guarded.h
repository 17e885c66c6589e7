// LibTorch's exceptions end inside the module: outside nobody knows their type, and their texts are not for
// users. Internal to the module.
#pragma once
#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "toolchain/support/error.h"

namespace shrike::engine {

// The first line of what LibTorch says, without its own source position. Throws std::bad_alloc when it says
// that memory is used up.
inline std::string reason_of(const c10::Error& error) {
  std::string text = error.what_without_backtrace();
  if (text.find("can't allocate memory") != std::string::npos) throw std::bad_alloc();
  text = text.substr(0, text.find('\n'));
  const size_t position = text.starts_with("[enforce fail") ? text.find("] ") : std::string::npos;
  return position == std::string::npos ? text : text.substr(position + 2);
}

template <typename Work>
auto guarded(Work work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    fail("the float engine could not go on: LibTorch says '{}'", reason_of(error));
  }
}

}  // namespace shrike::engine
