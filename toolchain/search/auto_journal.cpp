#include "toolchain/search/auto_journal.h"

#include <cmath>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"
#include "toolchain/support/sha256.h"

namespace shrike::quantize {
namespace {

using Json = nlohmann::ordered_json;

// Raised when judgements of earlier programs no longer hold.
constexpr int kVersion = 4;
constexpr size_t kCheckDigits = 16;

std::string header_line(const std::string& inputs, const std::string& float_path) {
  Json header = {{"shrike_auto", kVersion}, {"inputs", inputs}};
  if (!float_path.empty()) header["float_path"] = float_path;
  return compact_text(header);
}

std::string check_of(const std::string& inputs, const Json& json) {
  const std::string text = inputs + "\n" + compact_text(json);
  return sha256(text.data(), text.size()).substr(0, kCheckDigits);
}

std::string with_check(Json json, const std::string& inputs) {
  json["check"] = check_of(inputs, json);
  return compact_text(json);
}

Json to_json(const std::string& trial, const Judgement& judgement) {
  Json json = {{"trial", trial}, {"feasible", judgement.feasible}};
  if (!judgement.feasible) return json;
  json["error"] = judgement.error;
  json["noise"] = judgement.noise;
  if (judgement.cost.milliseconds) json["milliseconds"] = *judgement.cost.milliseconds;
  json["bytes"] = judgement.cost.bytes;
  json["requantize_nodes"] = judgement.requantize_nodes;
  return json;
}

Judgement from_json(const Json& json) {
  Judgement judgement;
  judgement.feasible = json.at("feasible");
  if (!judgement.feasible) return judgement;
  judgement.error = json.at("error");
  judgement.noise = json.at("noise").get<std::vector<double>>();
  if (json.contains("milliseconds")) judgement.cost.milliseconds = json.at("milliseconds").get<double>();
  judgement.cost.bytes = json.at("bytes");
  judgement.requantize_nodes = json.at("requantize_nodes");
  return judgement;
}

bool has_shape(const Judgement& judgement, const JudgementShape& shape) {
  if (!judgement.feasible || shape.outputs == 0) return true;
  return judgement.noise.size() == shape.outputs && judgement.cost.milliseconds.has_value() == shape.timed;
}

// What is in a file, seen from a search with certain inputs.
struct Contents {
  Json header;                     // null: there is none
  std::vector<std::string> lines;  // that belong to this search, in the file's order
  std::map<std::string, Judgement> known;
  bool finished = false;        // as the last line of this search says
  bool finished_other = false;  // as the last line says, whoever's it is
  std::vector<size_t> damaged;  // numbers of lines that are none of this search
  size_t whole_bytes = 0;       // up to the end of the last whole line
};

// Takes a line into the contents; false: it is none of this search.
bool read_line(const std::string& line, Json json, const std::string& inputs, const JudgementShape& shape,
               Contents& contents) {
  if (!json.is_object() || !json.contains("check")) return false;
  const Json stated = json["check"];
  json.erase("check");
  if (stated != check_of(inputs, json)) return false;
  contents.finished = json.contains("finished");
  if (!contents.finished) {
    try {
      const Judgement judgement = from_json(json);
      if (!has_shape(judgement, shape)) return false;
      contents.known[json.at("trial").get<std::string>()] = judgement;
    } catch (const Json::exception&) {
      return false;
    }
  }
  contents.lines.push_back(line);
  return true;
}

Contents read_journal(const std::string& text, const std::string& header, const std::string& inputs,
                      const JudgementShape& shape) {
  Contents contents;
  size_t number = 1;
  for (size_t end; (end = text.find('\n', contents.whole_bytes)) != std::string::npos; ++number) {
    const std::string line = text.substr(contents.whole_bytes, end - contents.whole_bytes);
    contents.whole_bytes = end + 1;
    const Json json = parse_ordered_json(line);
    contents.finished_other = json.is_object() && json.contains("finished");
    if (number == 1 && json.is_object() && json.contains("shrike_auto")) {
      contents.header = json;
      if (line != header) contents.damaged.push_back(number);
    } else if (!read_line(line, json, inputs, shape, contents)) {
      contents.damaged.push_back(number);
    }
  }
  return contents;
}

// A file that was just made, or whose first line was cut short by a kill or a power cut.
bool holds_nothing(const std::string& text, const std::string& header) {
  return header.starts_with(text) || text.find_first_not_of('\0') == std::string::npos;
}

}  // namespace

AutoJournal::AutoJournal(const std::string& path, const std::string& inputs, const JudgementShape& shape)
    : path_(path),
      inputs_(inputs + "\n" + shape.float_path),
      file_(path,
            fmt::format("another search is writing '{}'; wait for its end, or name another output", path)) {
  const std::string header = header_line(inputs, shape.float_path), text = read_text(path);
  Contents contents = read_journal(text, header, inputs_, shape);
  const bool same_header = contents.header == parse_ordered_json(header);
  const bool ours = same_header || !contents.lines.empty();
  const bool unfinished = !ours && !contents.header.is_null() && !contents.finished_other;
  if (unfinished && contents.header.value("inputs", Json()) == inputs &&
      contents.header.value("shrike_auto", Json()) == kVersion) {
    fail(
        "'{}' belongs to an unfinished search whose float engine computed with other instructions ({}; here: "
        "{}); "
        "go on with it on such a machine, or name another output",
        path, compact_text(contents.header.value("float_path", Json("unknown"))), shape.float_path);
  }
  if (unfinished) {
    fail(
        "'{}' belongs to an unfinished search with another model, other settings or other images; remove it "
        "or "
        "name another output",
        path);
  }
  if (!ours && contents.header.is_null() && !holds_nothing(text, header))
    fail("'{}' is no journal of a search; move it, or name another output", path);
  if (!ours) {
    file_.cut(0);
    append(header);
    sync_folder_of(path);
    return;
  }
  known_ = std::move(contents.known);
  finished_ = contents.finished;
  if (same_header && contents.damaged.empty()) {
    file_.cut(contents.whole_bytes);
    return;
  }
  if (contents.damaged.empty()) contents.damaged.push_back(1);  // the first line is gone altogether
  std::string sound = header + "\n";
  for (const std::string& line : contents.lines) sound += line + "\n";
  write_file_atomically(path, std::string_view(sound));
  file_.open_again();
  notes_.push_back(fmt::format(
      "'{}': {} damaged line{} cut, the first is line {}; what they held is tried again", path,
      contents.damaged.size(), contents.damaged.size() == 1 ? " was" : "s were", contents.damaged[0]));
}

const Judgement* AutoJournal::find(const std::string& trial) const {
  const auto found = known_.find(trial);
  return found == known_.end() ? nullptr : &found->second;
}

void AutoJournal::add(const std::string& trial, const Judgement& judgement) {
  append(with_check(to_json(trial, judgement), inputs_));
  known_[trial] = judgement;
  finished_ = false;
}

void AutoJournal::finish() {
  if (finished_) return;
  append(with_check(Json{{"finished", true}}, inputs_));
  finished_ = true;
}

void AutoJournal::append(const std::string& line) {
  file_.append(line + "\n");
}

}  // namespace shrike::quantize
