// Where temporary files go while a test runs.
#pragma once
#include <cstdlib>
#include <optional>
#include <string>

namespace shrike::tests {

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& path) {
    if (const char* set = std::getenv("TMPDIR")) before_ = set;
    ::setenv("TMPDIR", path.c_str(), 1);
  }
  ~TemporaryFolder() {
    if (before_) {
      ::setenv("TMPDIR", before_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

 private:
  std::optional<std::string> before_;
};

}  // namespace shrike::tests
