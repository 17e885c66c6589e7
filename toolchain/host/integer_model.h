// The integer runtime hosted on a PC: owns file bytes, arena and worker threads. Everything that is called
// "the quantised model" in this project runs through here.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shrike/inspect.h"

namespace shrike::host {

struct IntegerOptions {
  std::string model;  // of a package of several (host/package.h); "": the only one
  // A name that parse_target() knows; "": the file's, else esp32p4. A file that names another chip is refused
  // unless `force_target` is set.
  std::string target;
  bool force_target = false;
  Accumulators accumulators = Accumulators::kExactChip;
  KeepTensors keep = KeepTensors::kReuseMemory;
  int threads = 0;              // 0: all cores
  std::string isa;              // "": SHRIKE_ISA from the environment, else the best
  uint64_t internal_bytes = 0;  // of fast memory beside the arena
};

// The same as a board without a vector unit runs a model: one thread, kernels for a 32-bit core. The memory
// report is then the figure to state wherever a device's memory is meant; with a board's shorter pointers it
// needs a little less.
IntegerOptions on_board(IntegerOptions options);

// Throws Error with a full sentence (file, node, what was expected, what to do) when the file can't be
// loaded.
class IntegerModel {
 public:
  static IntegerModel open(const std::string& path, const IntegerOptions& options = {});
  // `name` stands for the file in messages.
  static IntegerModel from_bytes(std::vector<uint8_t> bytes, const std::string& name,
                                 const IntegerOptions& options = {});
  // The same model once more, on `threads` threads: shares the file's bytes, has its own tensors.
  IntegerModel again(int threads) const;
  IntegerModel on_board() const;  // the same model once more, with on_board() options
  IntegerModel(IntegerModel&&) noexcept;
  ~IntegerModel();

  InspectableModel& model();
  const InspectableModel& model() const;
  void run();  // throws Error
  Target target() const;
  bool target_assumed() const;  // nothing named it: esp32p4 was assumed
  int threads() const;
  std::string isa() const;
  const std::string& name() const;
  uint64_t file_bytes() const;
  std::string file_sha256() const;
  // Metadata of the file: keys and values in file order.
  std::vector<std::pair<std::string, std::string>> metadata() const;
  // A node's attributes as one line of text, in file order.
  std::string node_attributes(int32_t node) const;
  // A node's attribute of several integers; empty when there is none of that name.
  std::vector<int64_t> node_integers(int32_t node, const std::string& key) const;
  // An initializer's exponents as stored: one, or one per output channel; empty when there is no such
  // initializer.
  std::vector<int64_t> initializer_exponents(const std::string& name) const;

 private:
  struct Impl;
  explicit IntegerModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

Target parse_target(const std::string& name);  // throws Error listing the names
std::string target_name(Target target);
std::string target_names();  // "esp32p4, esp32s3 or esp32 (also esp32s2, ...)", for help and errors
// Sentence for a runtime status; `node_name` may be empty.
std::string describe(const Status& status, const std::string& file, const std::string& node_name);

}  // namespace shrike::host
