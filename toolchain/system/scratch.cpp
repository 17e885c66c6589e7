#include "toolchain/system/scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "toolchain/support/error.h"

namespace shrike {
namespace {

Descriptor nameless_file() {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
#ifdef O_TMPFILE
  Descriptor made(::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (made.get() >= 0) return made;
#endif
  path += "/shrike_XXXXXX";
  Descriptor named(::mkstemp(path.data()));
  if (named.get() >= 0) ::unlink(path.c_str());
  return named;
}

// Moves all bytes by move(bytes done); false when it moves none.
template <typename Move>
bool move_all(size_t bytes, const Move& move) {
  for (size_t done = 0; done < bytes;) {
    const ssize_t count = move(done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

Scratch::Scratch() : file_(nameless_file()) {}

std::optional<int64_t> Scratch::write(std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  const std::lock_guard lock(mutex_);
  const bool written = move_all(bytes.size(), [&](size_t done) {
    return ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done, end_ + static_cast<off_t>(done));
  });
  if (!written) return std::nullopt;
  const int64_t place = end_;
  end_ += static_cast<int64_t>(bytes.size());
  return place;
}

std::vector<float> Scratch::read(int64_t place, size_t count) const {
  std::vector<float> values(count);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(values));
  const bool whole = move_all(bytes.size(), [&](size_t done) {
    errno = 0;  // the end of the file is no error of the system's
    return ::pread(file_.get(), bytes.data() + done, bytes.size() - done, place + static_cast<off_t>(done));
  });
  if (!whole)
    fail("cannot read what was written to the temporary folder: {}", reason(errno != 0 ? errno : EIO));
  return values;
}

}  // namespace shrike
