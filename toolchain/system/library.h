// Libraries that are opened while the program runs.
#pragma once
#include <filesystem>
#include <string>

namespace shrike {

// The folder of the running program.
std::filesystem::path program_folder();

// Whether Shrike has modules for this system at all.
bool has_modules();

// Never closed.
class Library {
 public:
  Library() = default;
  // Nothing is opened where that fails; `why` says the reason then.
  Library(const std::string& path, std::string& why);

  bool opened() const { return handle_ != nullptr; }
  // Null: there is none.
  template <typename Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
  void* handle_ = nullptr;
};

// A symbol of the program, or of what was loaded with it or with the library that holds this code; or null.
void* symbol_of_process(const char* name);
template <typename Function>
Function* find_in_process(const char* name) {
  return reinterpret_cast<Function*>(symbol_of_process(name));
}

// While one lives, a library that ends the process by abort() or with a bad pointer while it is loaded makes
// it end with these words and exit status 1, without temporary files.
class LoadingGuard {
 public:
  // `words` stay.
  explicit LoadingGuard(const char* words);
  ~LoadingGuard();
  LoadingGuard(const LoadingGuard&) = delete;
  LoadingGuard& operator=(const LoadingGuard&) = delete;
};

}  // namespace shrike
