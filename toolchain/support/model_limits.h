// What a float model file may ask of the machine that reads it. A detector for a microcontroller stays far
// below; a file above is damaged or means harm, and is refused with a sentence instead of taking all memory.
#pragma once
#include <cstdint>

namespace shrike::model_limits {

// The file itself, and every file of weights beside it.
inline constexpr uint64_t kFileBytes = uint64_t{2} << 30;
inline constexpr int64_t kNodes = 200'000;
// Elements of one tensor.
inline constexpr int64_t kElements = int64_t{1} << 31;
// Elements of one constant that is computed or copied at import, and of all of them together (8 bytes each at
// most).
inline constexpr int64_t kComputedElements = int64_t{1} << 24;
inline constexpr int64_t kAllComputedElements = int64_t{1} << 26;
// Elements of weights that a file holds once and a network may read many times.
inline constexpr int64_t kWeightElements = int64_t{1} << 29;

// Archives (.pt): length of a name, the pickle, everything unpacked, and its ratio to what is
// stored.
inline constexpr uint64_t kArchiveName = 1024;
inline constexpr uint64_t kPickleBytes = uint64_t{64} << 20;
inline constexpr uint64_t kUnpackedBytes = uint64_t{4} << 30;
inline constexpr uint64_t kUnpackedRatio = 200;
// Pickles: values made, marks open at once; modules visited, their depth in each other, entries of their
// dictionaries.
inline constexpr uint64_t kPickleValues = 2'000'000;
inline constexpr uint64_t kPickleMarks = 1'000;
inline constexpr int64_t kModules = 50'000;
inline constexpr int kModuleDepth = 100;
inline constexpr uint64_t kModuleEntries = 1'000;

}  // namespace shrike::model_limits
