// Where the bytes of a linked firmware come from, read from GNU ld's map file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::host {

struct LinkedSection {
  std::string name;    // ".text._ZN6shrike5Model3runEv"
  std::string object;  // "runtime/libshrike_runtime.a(model.cpp.obj)"
  uint64_t bytes = 0;
};

struct LinkMap {
  std::vector<LinkedSection> sections;  // that were kept and are not empty
  // "libc.a(memcpy.c.o)" and the object that asked for it.
  struct Member {
    std::string object, wanted_by, symbol;
  };
  std::vector<Member> members;

  // Sums over sections whose object name contains `object` and whose name starts with one of `names`.
  uint64_t bytes(const std::string& object, const std::vector<std::string>& names) const;
};

// Throws Error when the text is not a map file.
LinkMap parse_link_map(const std::string& text, const std::string& path);

inline const std::vector<std::string> kCodeSections = {".text"};
inline const std::vector<std::string> kConstantSections = {".rodata", ".srodata"};
inline const std::vector<std::string> kRamSections = {".data",  ".sdata", ".bss",  ".sbss",
                                                      ".tdata", ".tbss",  "COMMON"};

}  // namespace shrike::host
