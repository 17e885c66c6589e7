// The texts of a project's files. "@WORD@" stands for what the generator fills in.
#pragma once
#include <map>
#include <string>

namespace shrike::board {

extern const char kEspDlMain[], kEspDlBoxes[], kEspDlClasses[], kEspDlRaw[];
extern const char kShrikeMain[], kShrikeBoxes[], kShrikeClasses[], kShrikeRaw[];
extern const char kCameraHeader[], kCameraSource[];
extern const char kModelAssembly[], kKconfig[];

// Replaces every "@WORD@" by its text; a word without one stays, which fill() refuses by an Error.
std::string fill(const char* text, const std::map<std::string, std::string>& words);

}  // namespace shrike::board
