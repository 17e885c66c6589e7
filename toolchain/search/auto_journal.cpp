#include "toolchain/search/auto_journal.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

using Json = nlohmann::ordered_json;

// Raised when judgements of earlier programs no longer hold.
constexpr int kVersion = 3;

Json header_line(const std::string& inputs) {
  return {{"shrike_auto", kVersion}, {"inputs", inputs}};
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

struct Contents {
  Json header;
  std::map<std::string, Judgement> known;
  bool finished = false;
  size_t whole_bytes = 0;  // up to the end of the last whole line
};

Contents read_journal(const std::string& path) {
  Contents contents;
  const std::string text = read_text(path);
  int line = 1;
  for (size_t end; (end = text.find('\n', contents.whole_bytes)) != std::string::npos; ++line) {
    try {
      const Json json = Json::parse(text.substr(contents.whole_bytes, end - contents.whole_bytes));
      contents.finished = json.contains("finished");
      if (line == 1) {
        contents.header = json;
      } else if (!contents.finished) {
        contents.known[json.at("trial").get<std::string>()] = from_json(json);
      }
    } catch (const nlohmann::json::exception&) {
      fail("{} line {}: not a line of a search's journal; remove the file to search anew", path, line);
    }
    contents.whole_bytes = end + 1;
  }
  return contents;
}

}  // namespace

AutoJournal::AutoJournal(const std::string& path, const std::string& inputs) : path_(path) {
  bool fresh = true;
  if (std::filesystem::exists(path)) {
    Contents contents = read_journal(path);
    if (contents.header == header_line(inputs)) {
      fresh = false;
      known_ = std::move(contents.known);
      finished_ = contents.finished;
      std::filesystem::resize_file(path, contents.whole_bytes);
    } else if (!contents.header.is_null() && !contents.finished) {
      fail(
          "'{}' belongs to an unfinished search with another model, other settings or other images; remove "
          "it or "
          "name another output",
          path);
    }
  }
  file_.open(path, fresh ? std::ios::trunc : std::ios::app);
  if (fresh) append(header_line(inputs).dump());
}

const Judgement* AutoJournal::find(const std::string& trial) const {
  const auto found = known_.find(trial);
  return found == known_.end() ? nullptr : &found->second;
}

void AutoJournal::add(const std::string& trial, const Judgement& judgement) {
  append(to_json(trial, judgement).dump());
  known_[trial] = judgement;
  finished_ = false;
}

void AutoJournal::finish() {
  if (finished_) return;
  append(Json{{"finished", true}}.dump());
  finished_ = true;
}

void AutoJournal::append(const std::string& line) {
  file_ << line << '\n' << std::flush;
  if (!file_) fail("cannot write '{}': the disk is full or the folder is not writable", path_);
}

}  // namespace shrike::quantize
