// What of command.h and children.h there is on Windows: the number of the process. The commands are words for
// a shell of POSIX, and only training, which needs the float engine, works in several processes.
#include <windows.h>

#include "toolchain/support/error.h"
#include "toolchain/system/children.h"
#include "toolchain/system/command.h"

namespace shrike {
namespace {

[[noreturn]] void refuse_processes() {
  fail("several processes are not available on Windows; leave the option out");
}

}  // namespace

std::string quoted(const std::string& text) {
  return '"' + text + '"';
}

int run_command(const std::string&, std::string&) {
  fail(
      "this runs CMake, a RISC-V compiler and QEMU by a shell's commands, which it can't do on Windows; use "
      "Linux");
}

int process_number() {
  return static_cast<int>(::GetCurrentProcessId());
}

std::vector<std::string> own_arguments() {
  refuse_processes();
}
std::vector<std::string> own_environment() {
  refuse_processes();
}
int free_port() {
  refuse_processes();
}

void Children::start(const std::vector<std::string>&, const std::vector<std::string>&) {
  refuse_processes();
}
// None has ever been started.
std::optional<Children::End> Children::ended(size_t) {
  return End{};
}
bool Children::any_running() const {
  return false;
}
void Children::interrupt() const {}
void Children::kill() const {}
void Children::tell(int) const {}

}  // namespace shrike
