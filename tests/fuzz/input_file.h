// The fuzzer's bytes as a file, for readers that take a path. It lies in memory and has no name of its own.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace shrike::fuzz {

class InputFile {
 public:
  InputFile() : file_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (file_ < 0) std::abort();
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() { ::close(file_); }

  // The path of the file, which now holds these bytes and no others.
  std::string holding(const uint8_t* data, size_t size) const {
    if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, data, size, 0) != static_cast<ssize_t>(size))
      std::abort();
    return "/proc/self/fd/" + std::to_string(file_);
  }

 private:
  int file_;
};

// A reader may refuse what it is given with an Error that says something; nothing else may be thrown.
template <typename Error, typename Work>
void expect_words(Work work) {
  try {
    work();
  } catch (const Error& error) {
    if (*error.what() == '\0') std::abort();
  }
}

}  // namespace shrike::fuzz
