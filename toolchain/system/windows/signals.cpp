#include "toolchain/system/signals.h"

#include <windows.h>

#include <csignal>

#include "toolchain/system/interrupt.h"

namespace shrike {
namespace {

// Windows calls it on a thread of its own.
BOOL WINAPI on_event(DWORD event) {
  const bool by_keyboard = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
  signals::arrived(by_keyboard ? SIGINT : SIGTERM);
  // It waits. When the window was closed or the user leaves, the process ends as soon as this function
  // returns: the work ends it before that, or Windows after some seconds.
  if (!by_keyboard) ::Sleep(INFINITE);
  return TRUE;
}

}  // namespace

void remove_temporary_files_on_signals() {
  ::SetConsoleCtrlHandler(on_event, TRUE);
}

namespace signals {

void send(int signal) {
  arrived(signal);
}

// With the status that Windows itself gives a program that Ctrl-C ends.
void end(int) {
  ::TerminateProcess(::GetCurrentProcess(), STATUS_CONTROL_C_EXIT);
}

void wait_for_end() {
  ::Sleep(INFINITE);
}

void remove_file(const char* path) {
  constexpr int kMostUnits = 4096;  // as interrupt.cpp's paths
  wchar_t wide[kMostUnits];
  if (::MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, kMostUnits) > 0) ::DeleteFileW(wide);
}

}  // namespace signals
}  // namespace shrike
