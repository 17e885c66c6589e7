// Internal to the import: ZIP archives, as torch.save and the metadata behind .tflite files use them
// (spec/importers.md section A1). Nothing is ever unpacked to the disk, names are only looked up.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "toolchain/import/bytes.h"

namespace shrike::graph {

struct ZipEntry {
  std::string name;
  uint64_t header = 0;  // offset of the local header
  uint64_t stored = 0;  // bytes in the file
  uint64_t size = 0;    // bytes unpacked
  uint32_t crc = 0;
  uint16_t method = 0;  // 0 stored, 8 deflated
};

class ZipArchive {
 public:
  // Reads and checks the central directory: names, sizes, that entries lie before it and do not overlap. The
  // archive may follow other data in the file (.tflite). `file` and `where` must outlive it. Throws Error.
  ZipArchive(std::string_view file, const std::string& where);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  const ZipEntry* find(const std::string& name) const;
  // The entry's content; its size and CRC are checked. Throws Error.
  std::string read(const ZipEntry& entry) const;

 private:
  void read_directory();
  ZipEntry read_entry(uint64_t& at) const;
  void check_entries(uint64_t directory) const;
  uint64_t data_offset(const ZipEntry& entry) const;

  ByteReader file_;
  uint64_t base_ = 0;  // where the archive begins
  std::vector<ZipEntry> entries_;
  std::map<std::string, size_t> by_name_;
};

}  // namespace shrike::graph
