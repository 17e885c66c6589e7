#include "toolchain/system/library.h"

#include <windows.h>

#include "toolchain/system/windows/wide.h"

namespace shrike {

std::filesystem::path program_folder() {
  constexpr DWORD kLongestPath = 32768;
  std::wstring program(kLongestPath, L'\0');
  program.resize(::GetModuleFileNameW(nullptr, program.data(), kLongestPath));
  return std::filesystem::path(program).parent_path();
}

bool has_modules() {
  return false;
}

Library::Library(const std::string& path, std::string& why)
    : handle_(::LoadLibraryW(windows::to_wide(path).c_str())) {
  if (handle_ == nullptr) why = "Windows' error " + std::to_string(::GetLastError());
}

void* Library::symbol(const char* name) const {
  return reinterpret_cast<void*>(::GetProcAddress(static_cast<HMODULE>(handle_), name));
}

void* symbol_of_process(const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(nullptr), name));
}

LoadingGuard::LoadingGuard(const char*) {}
LoadingGuard::~LoadingGuard() {}

}  // namespace shrike
