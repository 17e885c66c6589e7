// std::filesystem::path from a text. GCC's library turns paths into UTF-8, but takes texts to be in the
// encoding of the C library's locale, and that of Windows' older C library, msvcrt.dll, has no locale in
// UTF-8. The linker puts this function in place of the one that decodes a character there (--wrap=mbrtowc in
// toolchain/CMakeLists.txt), so that a text is UTF-8 in both directions, wherever it becomes a path.
#include <windows.h>

#include <cwchar>

namespace {

// Bytes of the character that begins with this one.
int length_of_character(unsigned char first) {
  if (first < 0xC0) return 1;
  if (first < 0xE0) return 2;
  return first < 0xF0 ? 3 : 4;
}

}  // namespace

// As mbrtowc(3). A character of two units gives the first one for all of its bytes but the last, the other
// one for that; the state keeps it meanwhile. What is no UTF-8 becomes the replacement character, byte by
// byte: names that no file has.
extern "C" size_t __wrap_mbrtowc(wchar_t* unit, const char* bytes, size_t count, mbstate_t* state) {
  constexpr wchar_t kReplacement = 0xFFFD;
  static thread_local mbstate_t own_state = 0;
  if (state == nullptr) state = &own_state;
  if (bytes == nullptr) {
    *state = 0;
    return 0;
  }
  wchar_t units[2] = {kReplacement, 0};
  if (count == 0) return static_cast<size_t>(-2);
  size_t used = 1;
  if (*state != 0) {
    units[0] = static_cast<wchar_t>(*state);
    *state = 0;
  } else {
    const int length = length_of_character(static_cast<unsigned char>(*bytes));
    const int made = static_cast<size_t>(length) <= count
                         ? ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, bytes, length, units, 2)
                         : 0;
    if (made == 0) units[0] = kReplacement;
    if (made == 1) used = static_cast<size_t>(length);
    if (made == 2) {
      used = static_cast<size_t>(length) - 1;
      *state = units[1];
    }
  }
  if (unit != nullptr) *unit = units[0];
  return units[0] == 0 ? 0 : used;
}
