#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "cli/command_documents.h"
#include "toolchain/graph/nearest.h"

namespace shrike::cli {
namespace {

template <typename T>
Check between_of(const char* type, T low, T high) {
  return {fmt::format("{} in [{} - {}]", type, low, high), [=](const std::string& text) -> std::string {
            T value{};
            if (CLI::detail::lexical_cast(text, value) && low <= value && value <= high) return "";
            return fmt::format("'{}' is not in the range from {} to {}", text, low, high);
          }};
}

CLI::Validator validator_of(const Check& check) {
  return {[fault = check.fault](std::string& text) { return fault(text); }, check.description, ""};
}

// CLI11 reads "nan" and "inf" as numbers.
std::string not_finite(std::string& text) {
  double value = 0;
  if (!CLI::detail::lexical_cast(text, value) || std::isfinite(value)) return "";  // other faults are CLI11's
  return fmt::format("'{}' is no number", text);
}

std::string with_nearest(std::string sentence, const std::string& dashes, const std::string& name,
                         const std::vector<std::string>& names) {
  const std::string near = near_name(name, names);
  return near.empty() ? sentence : fmt::format("{}; did you mean '{}{}'?", sentence, dashes, near);
}

std::string unknown_option(const CLI::App& command, const std::string& argument) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  const std::string option = argument.substr(0, argument.find('='));
  return with_nearest(fmt::format("there is no option '{}'", option), "--",
                      option.substr(std::min(option.size(), option.find_first_not_of('-'))), names);
}

// What the program or a command cannot make anything of; empty when it is something else that is wrong.
std::string not_understood(const CLI::App& app, const CLI::App* command) {
  const std::vector<std::string> rest = (command == nullptr ? app : *command).remaining();
  for (const std::string& argument : rest) {
    if (argument.size() > 1 && argument[0] == '-')
      return unknown_option(command == nullptr ? app : *command, argument);
  }
  if (rest.empty()) return command == nullptr ? "a command is missing" : "";
  if (command != nullptr)
    return fmt::format("'{}' is more than '{}' takes", fmt::join(rest, "', '"), command->get_name());
  std::vector<std::string> names;
  for (const CLI::App* known : app.get_subcommands({})) names.push_back(known->get_name());
  return with_nearest(fmt::format("there is no command '{}'", rest[0]), "", rest[0], names);
}

// The sentence about a wrong command line, with the nearest name where one is unknown.
std::string wrong(const CLI::App& app, const std::string& fault) {
  const CLI::App* command = app.get_subcommands().empty() ? nullptr : app.get_subcommands()[0];
  std::string message = not_understood(app, command);
  if (message.empty()) message = fault;
  std::replace(message.begin(), message.end(), '\n', ' ');
  return fmt::format("{}; see '{} {}--help'", message, app.get_name(),
                     command == nullptr ? "" : command->get_name() + " ");
}

}  // namespace

Check between(int64_t low, int64_t high) {
  return between_of("INT", low, high);
}
Check between(int low, int high) {
  return between_of("INT", low, high);
}
Check between(double low, double high) {
  return between_of("FLOAT", low, high);
}

Check positive() {
  return {"POSITIVE", [](const std::string& text) -> std::string {
            double value = 0;
            if (CLI::detail::lexical_cast(text, value) && value > 0) return "";
            return fmt::format("'{}' is not a positive number", text);
          }};
}

Check one_of(const std::set<std::string>& values) {
  const std::string list = fmt::format("{}", fmt::join(values, ","));
  return {"{" + list + "}", [=](const std::string& text) -> std::string {
            return values.contains(text) ? "" : fmt::format("'{}' is none of {}", text, list);
          }};
}

Option* Option::required() {
  option_->required();
  return this;
}
Option* Option::check(const Check& check) {
  option_->check(validator_of(check));
  return this;
}
Option* Option::delimiter(char separator) {
  option_->delimiter(separator);
  return this;
}
Option* Option::group(const std::string& heading) {
  option_->group(heading);
  return this;
}
Option* Option::type_name(const std::string& name) {
  option_->type_name(name);
  return this;
}
Option* Option::needs(const Option* other) {
  option_->needs(other->option_);
  return this;
}
size_t Option::count() const {
  return option_->count();
}

Command* Command::add_subcommand(const std::string& name, const std::string& description) {
  return &commands_.emplace_back(app_->add_subcommand(name, description));
}
void Command::footer(const std::string& text) {
  app_->footer(text);
}
void Command::callback(const std::function<void()>& run) {
  app_->callback(run);
}

template <typename T>
Option* Command::add(const std::string& name, T& value, const std::string& description) {
  CLI::Option* option = app_->add_option(name, value, description);
  if constexpr (std::is_floating_point_v<T>) option->check(CLI::Validator(not_finite, "", ""));
  return &options_.emplace_back(option);
}

Option* Command::add_option(const std::string& name, std::string& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, int& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, int64_t& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, uint64_t& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, float& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, double& value, const std::string& description) {
  return add(name, value, description);
}
Option* Command::add_option(const std::string& name, std::vector<std::string>& values,
                            const std::string& description) {
  return add(name, values, description);
}
Option* Command::add_option(const std::string& name, std::set<std::string>& values,
                            const std::string& description) {
  return add(name, values, description);
}
Option* Command::add_flag(const std::string& name, bool& value, const std::string& description) {
  return &options_.emplace_back(app_->add_flag(name, value, description));
}
Option* Command::add_option_function(const std::string& name,
                                     const std::function<void(const std::string&)>& read,
                                     const std::string& description) {
  return &options_.emplace_back(app_->add_option_function<std::string>(name, read, description));
}

ParseResult run_command_line(const ProgramDescription& program, const std::function<void(Command&)>& declare,
                             const std::vector<std::string>& words) {
  CLI::App app(program.description, program.name);
  app.set_version_flag("--version", program.name + " " + program.version);
  app.require_subcommand(1);
  app.allow_windows_style_options(false);  // "/folder/file" is a path on every system
  app.footer(program.footer);
  Command root(&app);
  declare(root);
  // For the build, which installs them.
  if (words.size() == 2 && words[1] == "--manual-page")
    return {ParseResult::Kind::kShown, manual_page(app, program.name + " " + program.version)};
  if (words.size() == 2 && words[1] == "--bash-completion")
    return {ParseResult::Kind::kShown, bash_completion(app)};
  try {
    // The last word first, and the program's name not at all.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend() - (words.empty() ? 0 : 1)));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return {ParseResult::Kind::kWrong, wrong(app, error.what())};
    std::ostringstream text;
    app.exit(error, text, text);
    return {ParseResult::Kind::kShown, text.str()};
  } catch (const WrongCommandLine& error) {
    return {ParseResult::Kind::kWrong, wrong(app, error.what())};
  }
  return {};
}

}  // namespace shrike::cli
