#include "toolchain/import/zip.h"

#include <zlib.h>

#include <algorithm>

#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kEntrySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr uint64_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;

// The end record is the last one that fits: a comment of up to 65535 bytes may follow it.
uint64_t find_end(const ByteReader& file) {
  if (file.size() >= kEndSize) {
    const uint64_t last = file.size() - kEndSize;
    const uint64_t first = last > 0xffff ? last - 0xffff : 0;
    for (uint64_t at = last + 1; at-- > first;) {
      if (file.number<uint32_t>(at) == kEndSignature) return at;
    }
  }
  fail(
      "{}: an archive was expected to end in its directory, found none; the file is truncated, copy it again",
      file.where());
}

bool is_plain_name(const std::string& name) {
  const bool bytes_fine = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f;
  });
  return bytes_fine && !name.empty() && name[0] != '/' && name != ".." && !name.starts_with("../") &&
         !name.ends_with("/..") && name.find("/../") == std::string::npos;
}

}  // namespace

ZipArchive::ZipArchive(std::string_view file, const std::string& where) : file_(file, where) {
  read_directory();
}

void ZipArchive::read_directory() {
  const uint64_t end = find_end(file_);
  const uint64_t count = file_.number<uint16_t>(end + 10);
  const uint64_t size = file_.number<uint32_t>(end + 12);
  const uint64_t offset = file_.number<uint32_t>(end + 16);
  if (count == 0xffff || size == 0xffffffff || offset == 0xffffffff) {
    fail("{}: an archive of more than 65534 entries or 4 GB is not supported; is this a detector?",
         file_.where());
  }
  if (size + offset > end) file_.damaged("the archive's directory of {} bytes lies behind its end", size);
  if (count == 0) return;
  if (file_.number<uint32_t>(offset) != kEntrySignature) base_ = end - size - offset;
  uint64_t at = base_ + offset;
  for (uint64_t i = 0; i < count; ++i) {
    entries_.push_back(read_entry(at));
    if (!by_name_.emplace(entries_.back().name, i).second)
      file_.damaged("the archive holds '{}' twice", entries_.back().name);
  }
  if (at > end) file_.damaged("the archive's directory is longer than it says");
  check_entries(base_ + offset);
}

ZipEntry ZipArchive::read_entry(uint64_t& at) const {
  if (file_.number<uint32_t>(at) != kEntrySignature) file_.damaged("no directory entry at offset {}", at);
  const uint64_t name_size = file_.number<uint16_t>(at + 28);
  ZipEntry entry;
  entry.name = file_.text(at + kEntrySize, name_size);
  if (name_size > model_limits::kArchiveName || !is_plain_name(entry.name))
    file_.damaged("the archive's entry at offset {} has a name that is not sensible", at);
  if ((file_.number<uint16_t>(at + 8) & 1) != 0) fail("{}: the archive is encrypted", file_.where());
  entry.method = file_.number<uint16_t>(at + 10);
  entry.crc = file_.number<uint32_t>(at + 16);
  entry.stored = file_.number<uint32_t>(at + 20);
  entry.size = file_.number<uint32_t>(at + 24);
  entry.header = file_.number<uint32_t>(at + 42) + base_;
  if (entry.method != 0 && entry.method != 8)
    fail("{}: the entry '{}' is packed by method {}, which is not supported; save the model again",
         file_.where(), entry.name, entry.method);
  const bool sizes_fit = entry.method == 0 ? entry.size == entry.stored
                                           : entry.size / model_limits::kUnpackedRatio <= entry.stored;
  if (!sizes_fit)
    file_.damaged("the entry '{}' says {} bytes stored and {} unpacked", entry.name, entry.stored,
                  entry.size);
  at += kEntrySize + name_size + file_.number<uint16_t>(at + 30) + file_.number<uint16_t>(at + 32);
  return entry;
}

// Entries may stand in any order; none may reach into another or into the directory.
void ZipArchive::check_entries(uint64_t directory) const {
  std::vector<std::pair<uint64_t, uint64_t>> extents;
  uint64_t unpacked = 0;
  for (const ZipEntry& entry : entries_) {
    extents.emplace_back(entry.header, data_offset(entry) + entry.stored);
    unpacked += entry.size;
  }
  if (unpacked > model_limits::kUnpackedBytes)
    fail("{}: the archive unpacks to {} bytes, at most {} were expected", file_.where(), unpacked,
         model_limits::kUnpackedBytes);
  std::sort(extents.begin(), extents.end());
  for (size_t i = 0; i < extents.size(); ++i) {
    const uint64_t limit = i + 1 < extents.size() ? extents[i + 1].first : directory;
    if (extents[i].second > limit) file_.damaged("entries of the archive overlap at offset {}", limit);
  }
}

// Only the lengths are taken from the local header: its sizes are zero where a data descriptor follows
// (section A1.5).
uint64_t ZipArchive::data_offset(const ZipEntry& entry) const {
  if (file_.number<uint32_t>(entry.header) != kLocalSignature)
    file_.damaged("the entry '{}' was expected at offset {}", entry.name, entry.header);
  return entry.header + kLocalSize + file_.number<uint16_t>(entry.header + 26) +
         file_.number<uint16_t>(entry.header + 28);
}

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::string ZipArchive::read(const ZipEntry& entry) const {
  const std::string_view packed = file_.text(data_offset(entry), entry.stored);
  std::string content;
  if (entry.method == 0) {
    content = packed;
  } else {
    content.resize(entry.size);
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      fail("{}: no memory to unpack '{}'", file_.where(), entry.name);
    // zlib's interface predates const; it does not write to its input.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(content.data());
    stream.avail_out = static_cast<uInt>(content.size());
    const int result = inflate(&stream, Z_FINISH);
    const uint64_t made = stream.total_out;
    inflateEnd(&stream);
    if (result != Z_STREAM_END || made != entry.size)
      file_.damaged("the entry '{}' does not unpack to {} bytes", entry.name, entry.size);
  }
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  if (crc != entry.crc) file_.damaged("the checksum of the entry '{}' is wrong", entry.name);
  return content;
}

}  // namespace shrike::graph
