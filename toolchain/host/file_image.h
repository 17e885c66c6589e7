// An `.espdl` file's bytes as the runtime wants them: EDL2, 16-byte aligned; and what can be read before
// loading.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shrike/status.h"

namespace shrike::host {

class FileImage {
 public:
  // An EDL1 container is given an EDL2 header, which is what aligns its payload.
  explicit FileImage(std::vector<uint8_t> bytes);

  const void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  size_t file_bytes() const { return file_bytes_; }
  std::string sha256() const;  // of the file as it was read

  // These need verify() to have succeeded.
  std::vector<std::pair<std::string, std::string>> metadata() const;
  std::string metadata(const std::string& key) const;  // empty when absent
  std::string node_name(int32_t node) const;
  std::string node_type(int32_t node) const;
  std::string node_attributes(int32_t node) const;  // "activation=Relu group=1 pads=[1,1,1,1]", in file order
  std::vector<int64_t> node_integers(int32_t node, const std::string& key) const;  // empty when absent
  std::vector<int64_t> initializer_exponents(
      const std::string& name) const;  // empty when there is no such one
  Status verify() const;

 private:
  std::string node_text(int32_t node, int slot) const;
  const uint8_t* payload() const { return static_cast<const uint8_t*>(data_) + 16; }

  std::vector<uint8_t> storage_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
  size_t file_bytes_ = 0;
};

}  // namespace shrike::host
