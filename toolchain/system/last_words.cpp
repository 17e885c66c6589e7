#include "toolchain/system/last_words.h"

#include <exception>
#include <new>
#include <string_view>

#include "toolchain/system/interrupt.h"
#include "toolchain/system/streams.h"

namespace shrike {
namespace {

// There may be no memory left: nothing here takes any.
[[noreturn]] void end() {
  std::string_view words = "shrike: a defect ended the work; please report the command with its files\n";
  try {
    if (const std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    words = "shrike: the machine has not enough memory for this\n";
  } catch (...) {
  }
  remove_temporary_files();
  end_with(words);
}

}  // namespace

void install_last_words() {
  std::set_terminate(end);
}

}  // namespace shrike
