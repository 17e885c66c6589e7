// A file's new content beside the old one: what toolchain/support/files.h is made of.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/support/files.h"
#include "toolchain/system/file.h"
#include "toolchain/system/interrupt.h"

namespace shrike {

// A file's new content under another name, beside the old one, with the old one's owner and mode; removed
// again unless it takes its place. It is locked (flock) while it lives, which tells it from one that a killed
// run has left. What is no regular file (a device, a pipe) is not replaced: the content goes into it.
class Partial {
 public:
  explicit Partial(const NamedBytes& file);
  ~Partial();
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  void take_place();
  // Gives the name back to what had it before. Does its best: there is nobody to tell.
  void give_back();
  // Makes the new name survive a power cut.
  void sync_folder() const;

 private:
  void open_beside();
  void write_through() const;

  std::string path_;    // as it was given
  int through_number_;  // descriptor that it names, or -1
  std::string target_;  // behind symbolic links
  std::string beside_;  // the new content's name until it takes its place, then the old content's
  enum class Place { kBeside, kExchanged, kTaken } place_ = Place::kBeside;
  std::string through_;
  Descriptor descriptor_;
  std::optional<TemporaryFile> guard_;
};

}  // namespace shrike
