#include "toolchain/system/library.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/auxv.h>

#include <iterator>
#include <system_error>

#include "toolchain/system/interrupt.h"
#include "toolchain/system/streams.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

constexpr int kFatal[] = {SIGABRT, SIGSEGV};

// There is one guard at a time: libraries are opened one after the other.
struct sigaction before[std::size(kFatal)];
const char* guard_words = "";

void end_loading(int) {
  remove_temporary_files();
  end_with(guard_words);
}

}  // namespace

fs::path program_folder() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) {  // /proc may be missing in a bare root
    const auto* name = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
    if (name != nullptr) program = fs::canonical(name, error);
  }
  return program.parent_path();
}

bool has_modules() {
  return true;
}

Library::Library(const std::string& path, std::string& why)
    : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  const char* reason = ::dlerror();
  why = reason == nullptr ? "no reason given" : reason;
}

void* Library::symbol(const char* name) const {
  return ::dlsym(handle_, name);
}

void* symbol_of_process(const char* name) {
  return ::dlsym(RTLD_DEFAULT, name);
}

LoadingGuard::LoadingGuard(const char* words) {
  guard_words = words;
  struct sigaction action = {};
  action.sa_handler = end_loading;
  for (size_t i = 0; i < std::size(kFatal); ++i) ::sigaction(kFatal[i], &action, &before[i]);
}

LoadingGuard::~LoadingGuard() {
  for (size_t i = 0; i < std::size(kFatal); ++i) ::sigaction(kFatal[i], &before[i], nullptr);
}

}  // namespace shrike
