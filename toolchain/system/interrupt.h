// SIGINT, SIGTERM and SIGHUP leave no half-written files behind.
#pragma once
#include <mutex>
#include <string>

namespace shrike {

// Names a file that a signal must remove while this object lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

 private:
  int slot_;
};

// While one lives, a signal that arrives does nothing; the last of them ends the process afterwards.
class SignalsWait {
 public:
  SignalsWait();
  ~SignalsWait();
  SignalsWait(const SignalsWait&) = delete;
  SignalsWait& operator=(const SignalsWait&) = delete;

 private:
  std::lock_guard<std::mutex> only_one_;
};

// While one lives, the first signal only asks the work to stop; the second ends the process as without it.
// Work that was asked ends the process by the signal when the object dies.
class SignalsAsk {
 public:
  SignalsAsk();
  ~SignalsAsk();
  SignalsAsk(const SignalsAsk&) = delete;
  SignalsAsk& operator=(const SignalsAsk&) = delete;
  bool asked() const;
};

// Removes them at once: for the end of a process that has lost control. Takes no memory.
void remove_temporary_files();

// Installs handlers that remove the registered files and then end the process the way the signal would have.
void remove_temporary_files_on_signals();

}  // namespace shrike
