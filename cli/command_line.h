// The command line as the commands see it: they declare here what they take, command_line.cpp hands it to
// CLI11. Nobody else includes that library's header, which costs several seconds a source file.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace shrike::cli {

// Said of the command line, not of the work: exit status 2.
class WrongCommandLine : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a value must be: a word for the help, and a function that says what is wrong with a value, or nothing.
struct Check {
  std::string description;
  std::function<std::string(const std::string& value)> fault;
};
// Both ends included. NaN lies between no numbers.
Check between(int64_t low, int64_t high);
Check between(int low, int high);
Check between(double low, double high);
Check positive();
Check one_of(const std::set<std::string>& values);

// An option as declared; lives as long as its command.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option* required();
  Option* check(const Check& check);  // of every value
  Option* delimiter(char separator);  // between the values of a list
  Option* group(const std::string& heading);
  Option* type_name(const std::string& name);
  Option* needs(const Option* other);  // makes no sense without it
  size_t count() const;                // how often it was given

 private:
  CLI::Option* option_;
};

// A command of the program. `name` of an option: "--long", "-s,--long", or "FILE" for one that goes by its
// position. Numbers that are not finite are refused.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command* add_subcommand(const std::string& name, const std::string& description);
  void footer(const std::string& text);             // below the help
  void callback(const std::function<void()>& run);  // does the work, after everything was read

  Option* add_option(const std::string& name, std::string& value, const std::string& description);
  Option* add_option(const std::string& name, int& value, const std::string& description);
  Option* add_option(const std::string& name, int64_t& value, const std::string& description);
  Option* add_option(const std::string& name, uint64_t& value, const std::string& description);
  Option* add_option(const std::string& name, float& value, const std::string& description);
  Option* add_option(const std::string& name, double& value, const std::string& description);
  Option* add_option(const std::string& name, std::vector<std::string>& values,
                     const std::string& description);
  Option* add_option(const std::string& name, std::set<std::string>& values, const std::string& description);
  Option* add_flag(const std::string& name, bool& value, const std::string& description);
  // Reads the value itself; throws WrongCommandLine when it makes no sense.
  Option* add_option_function(const std::string& name, const std::function<void(const std::string&)>& read,
                              const std::string& description);

 private:
  template <typename T>
  Option* add(const std::string& name, T& value, const std::string& description);

  CLI::App* app_;
  std::deque<Command> commands_;
  std::deque<Option> options_;
};

// How a reading of the command line ended.
struct ParseResult {
  enum class Kind { kDone, kShown, kWrong } kind = Kind::kDone;
  std::string text;  // kShown: the help or the version; kWrong: one sentence
};

// Declares the commands, reads the words (the program's name first) and runs the chosen command; what that
// throws passes through.
struct ProgramDescription {
  std::string name, version, description, footer;
};
ParseResult run_command_line(const ProgramDescription& program, const std::function<void(Command&)>& declare,
                             const std::vector<std::string>& words);

}  // namespace shrike::cli
