#include "toolchain/system/scratch.h"

#include <cerrno>

#include "toolchain/support/error.h"
#include "toolchain/system/calls.h"

namespace shrike {
namespace {

// Moves all bytes by move(bytes done); false when it moves none.
template <typename Move>
bool move_all(size_t bytes, const Move& move) {
  for (size_t done = 0; done < bytes;) {
    const int64_t count = move(done);
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

Scratch::Scratch() : file_(calls::open_nameless()) {}

std::optional<int64_t> Scratch::write(std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  const std::lock_guard lock(mutex_);
  const bool written = move_all(bytes.size(), [&](size_t done) {
    return calls::write_at(file_.get(), bytes.data() + done, bytes.size() - done,
                           end_ + static_cast<int64_t>(done));
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
    return calls::read_at(file_.get(), bytes.data() + done, bytes.size() - done,
                          place + static_cast<int64_t>(done));
  });
  if (!whole)
    fail("cannot read what was written to the temporary folder: {}", reason(errno != 0 ? errno : EIO));
  return values;
}

}  // namespace shrike
