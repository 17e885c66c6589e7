// A model that is judged and thrown away.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "toolchain/support/files.h"
#include "toolchain/system/children.h"
#include "toolchain/system/interrupt.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

// Beside the output for the first process; others may be on machines where that folder is not.
class TrialFile {
 public:
  TrialFile(const std::string& output, const Processes& processes, std::string_view bytes)
      : path_(processes.first() ? output + ".trial"
                                : std::filesystem::temp_directory_path().generic_string() + "/shrike_trial_" +
                                      std::to_string(process_number()) +
                                      std::filesystem::path(output).extension().generic_string()),
        removed_on_signals_(path_) {
    write_file_atomically(path_, bytes);
  }
  ~TrialFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TrialFile(const TrialFile&) = delete;
  TrialFile& operator=(const TrialFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  TemporaryFile removed_on_signals_;
};

}  // namespace shrike::train
