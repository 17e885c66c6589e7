#include "cli/command_documents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

namespace shrike::cli {
namespace {

// Text for troff: what it would take for commands is escaped.
std::string escaped(const std::string& text) {
  std::string result;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    line_begins = c == '\n';
  }
  return result;
}

// Lines as they are, examples and tables keep their columns.
std::string as_it_stands(const std::string& text) {
  return text.empty() ? "" : fmt::format(".PP\n.nf\n{}\n.fi\n", escaped(text));
}

std::vector<const CLI::Option*> shown_options(const CLI::App& command) {
  const std::vector<const CLI::Option*> all = command.get_options();
  std::vector<const CLI::Option*> shown;
  std::copy_if(all.begin(), all.end(), std::back_inserter(shown),
               [](const CLI::Option* option) { return !option->get_group().empty(); });
  return shown;
}

std::string usage(const CLI::App& command) {
  std::string text;
  for (const CLI::Option* option : shown_options(command)) {
    if (option->get_positional())
      text += option->get_required() ? " " + option->get_name(true) : " [" + option->get_name(true) + "]";
  }
  return text;
}

std::string option_entry(const CLI::Option& option) {
  std::string name = option.get_positional() ? option.get_name(true) : option.get_name(false, true);
  std::string type = option.get_type_size() == 0 ? "" : option.get_type_name();
  if (option.get_positional()) type.clear();
  return fmt::format(".TP\n\\fB{}\\fR{}\n{}{}\n", escaped(name),
                     type.empty() ? "" : fmt::format(" \\fI{}\\fR", escaped(type)),
                     escaped(option.get_description()), option.get_required() ? " (required)" : "");
}

std::string command_section(const CLI::App& command) {
  std::string text = fmt::format(".SS \"{}{}\"\n{}\n", escaped(command.get_name()), escaped(usage(command)),
                                 escaped(command.get_description()));
  for (const CLI::Option* option : shown_options(command)) {
    if (option->get_name(false, true) != "-h,--help") text += option_entry(*option);
  }
  return text + as_it_stands(command.get_footer());
}

// "chip", "wide" of a type "TEXT:{chip,wide}".
std::vector<std::string> choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) return values;
  std::istringstream list(type.substr(open + 1, close - open - 1));
  for (std::string value; std::getline(list, value, ',');) values.push_back(value);
  return values;
}

std::vector<std::string> written_names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace

std::string manual_page(const CLI::App& program, const std::string& version) {
  const std::string& name = program.get_name();
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string text = fmt::format(
      ".TH {} 1 \"\" \"{}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n"
      ".SH SYNOPSIS\n.B {}\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\n{}"
      ".SH COMMANDS\nEvery command explains itself with \\fB\\-\\-help\\fR.\n",
      upper, escaped(version), escaped(name), escaped(program.get_description()), escaped(name),
      escaped(program.get_description()), as_it_stands(program.get_footer()));
  for (const CLI::App* command : program.get_subcommands({})) text += command_section(*command);
  return text;
}

std::string bash_completion(const CLI::App& program) {
  const std::string& name = program.get_name();
  std::vector<std::string> commands = {"--help", "--version"};
  std::string options, values;
  for (const CLI::App* command : program.get_subcommands({})) {
    commands.push_back(command->get_name());
    std::vector<std::string> names;
    for (const CLI::Option* option : shown_options(*command)) {
      const std::vector<std::string> own = written_names(*option);
      names.insert(names.end(), own.begin(), own.end());
      const std::vector<std::string> taken = choices(*option);
      for (const std::string& written : taken.empty() ? std::vector<std::string>{} : own)
        values += fmt::format("    \"{} {}\") COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                              command->get_name(), written, fmt::join(taken, " "));
    }
    options += fmt::format("    {}) options='{}' ;;\n", command->get_name(), fmt::join(names, " "));
  }
  return fmt::format(
      "# Completion of {0} for bash; made from what its commands declare.\n"
      "_{0}() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command='' "
      "options=''\n"
      "  [ \"$COMP_CWORD\" -gt 1 ] && command=${{COMP_WORDS[1]}}\n"
      "  case $command in\n"
      "    '') COMPREPLY=($(compgen -W '{1}' -- \"$word\")); return ;;\n{2}"
      "  esac\n"
      "  case \"$command $before\" in\n{3}"
      "  esac\n"
      "  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "  else\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
      "  fi\n"
      "}}\n"
      "complete -F _{0} {0}\n",
      name, fmt::join(commands, " "), options, values);
}

}  // namespace shrike::cli
