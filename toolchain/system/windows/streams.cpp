#include "toolchain/system/streams.h"

#include <windows.h>
// Need the one above.
#include <fcntl.h>
#include <io.h>
#include <shellapi.h>

#include <cstdio>
#include <cstdlib>

#include "toolchain/system/windows/wide.h"

namespace shrike {

void prepare_standard_streams() {
  for (int number = 0; number <= 2; ++number) {
    const int access = number == 1 ? _O_RDONLY : _O_RDWR;  // results that nobody gets are an error
    if (::_get_osfhandle(number) == -1) ::_open("NUL", access | _O_BINARY);  // the lowest free
    ::_setmode(number, _O_BINARY);  // the same bytes as on other systems
  }
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);  // errors come back instead of as a window
}

std::vector<std::string> words_of_command_line(int count, char** arguments) {
  // main's own words are in the code page of the machine, and those with stars are names of files already.
  std::vector<std::string> words;
  int found = 0;
  if (wchar_t** wide = ::CommandLineToArgvW(::GetCommandLineW(), &found)) {
    for (int i = 0; i < found; ++i) words.push_back(windows::from_wide(wide[i]));
    ::LocalFree(wide);
    return words;
  }
  return {arguments, arguments + count};
}

void end_with(std::string_view words) {
  ::_write(2, words.data(), static_cast<unsigned>(words.size()));
  ::_exit(1);
}

// A console that knows the sequences which progress is drawn with.
bool error_is_terminal() {
  const HANDLE console = ::GetStdHandle(STD_ERROR_HANDLE);
  DWORD mode = 0;
  return ::GetConsoleMode(console, &mode) &&
         ::SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

}  // namespace shrike
