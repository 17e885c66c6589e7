// This process, and those that it starts: further runs of this program.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace shrike {

int process_number();
// As they were given, the program's name first.
std::vector<std::string> own_arguments();
// NAME=value.
std::vector<std::string> own_environment();
// A TCP port of this machine that nobody listens on.
int free_port();

class Children {
 public:
  // Of the first of several variables with one name the value counts. The child ends when this process does;
  // the terminal's signals do not reach it.
  void start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);

  struct End {
    int status = 0;  // exit status, when no signal ended it
    int signal = 0;
  };
  // Child `index` when it has ended, without waiting for it; the same answer ever after.
  std::optional<End> ended(size_t index);
  bool any_running() const;
  size_t count() const { return children_.size(); }
  // What Ctrl-C does, to all that are still running.
  void interrupt() const;
  void kill() const;

 private:
  struct Child {
    int process;
    std::optional<End> end;
  };
  void tell(int signal) const;

  std::vector<Child> children_;
};

}  // namespace shrike
