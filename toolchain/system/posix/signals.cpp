#include "toolchain/system/signals.h"

#include <signal.h>
#include <unistd.h>

#include "toolchain/system/interrupt.h"

namespace shrike {

void remove_temporary_files_on_signals() {
  struct sigaction action = {};
  action.sa_handler = signals::arrived;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {};
    sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

namespace signals {

void send(int signal) {
  ::raise(signal);
}

void end(int signal) {
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void wait_for_end() {
  ::pause();
}

void remove_file(const char* path) {
  ::unlink(path);
}

}  // namespace signals
}  // namespace shrike
