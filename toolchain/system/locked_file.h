// A file that one process at a time writes, line by line.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "toolchain/system/file.h"

namespace shrike {

class LockedFile {
 public:
  // Opens `path`, or creates it, and locks it (flock) as long as this object lives, against other processes.
  // Throws Error naming the file and the reason; `busy` is the sentence where another process has it.
  LockedFile(const std::string& path, const std::string& busy);

  // Opens what has the name now, after the file was replaced.
  void open_again();
  // Cuts everything behind the first `bytes`.
  void cut(uint64_t bytes);
  // On the disk when it returns.
  void append(std::string_view text);

 private:
  // Keeps in mind that this process holds the file: it may open one of its own again.
  class Held {
   public:
    explicit Held(const FileIdentity& file);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    FileIdentity file_;
  };

  std::string path_, busy_;
  Descriptor file_;
  std::optional<Held> held_;
};

}  // namespace shrike
