#include "toolchain/system/streams.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace shrike {
namespace {

// The write function of a stream (fopencookie(3)) that drops what can not be written.
ssize_t write_or_drop(void*, const char* bytes, size_t count) {
  size_t done = 0;
  while (done < count) {
    const ssize_t written = ::write(STDERR_FILENO, bytes + done, count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  return static_cast<ssize_t>(count);
}

}  // namespace

void prepare_standard_streams() {
  for (int number = 0; number <= 2; ++number) {
    const int access = number == STDOUT_FILENO ? O_RDONLY : O_RDWR;  // results that nobody gets are an error
    if (::fcntl(number, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", access);  // the lowest free
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  cookie_io_functions_t functions = {};
  functions.write = write_or_drop;
  if (FILE* stream = ::fopencookie(nullptr, "w", functions)) {
    std::setvbuf(stream, nullptr, _IOLBF, BUFSIZ);  // a line is one write, as log readers expect
    stderr = stream;
  }
}

std::vector<std::string> words_of_command_line(int count, char** arguments) {
  return {arguments, arguments + count};
}

void end_with(std::string_view words) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words.data(), words.size());
  ::_exit(1);
}

bool error_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

}  // namespace shrike
