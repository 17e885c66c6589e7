// Windows' own texts are UTF-16, its errors numbers of its own.
#pragma once
#include <string>
#include <string_view>

namespace shrike::windows {

// What is no UTF-8 becomes the replacement character.
std::wstring to_wide(std::string_view text);
std::string from_wide(std::wstring_view text);

// Sets errno to what Linux would say.
void set_errno(unsigned long error);
int errno_of(unsigned long error);

}  // namespace shrike::windows
