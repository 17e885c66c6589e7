// The command line as documents, made from what the commands declare: they say what `--help` says.
#pragma once
#include <string>

namespace CLI {
class App;
}

namespace shrike::cli {

// A manual page (man(7) macros); `version` as in "shrike 0.2.0".
std::string manual_page(const CLI::App& program, const std::string& version);
// A script for bash that completes commands, options, values of options that take one of a few, and files.
std::string bash_completion(const CLI::App& program);

}  // namespace shrike::cli
