// Any bytes as the journal of a search: an Error that says something, or a journal that takes a judgement and
// gives it back when it is opened again. Lines that begin with '!' get the check that makes them believed;
// otherwise nothing behind it would ever be reached.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/input_file.h"
#include "toolchain/search/auto_journal.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kCheckDigits = 16;
const std::string kInputs = "inputs";

std::string with_check(const std::string& line) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return line;
  json.erase("check");
  std::string text;
  try {
    text = kInputs + "\n\n" + json.dump();
  } catch (const Json::exception&) {  // no UTF-8
    return line;
  }
  json["check"] = shrike::sha256(text.data(), text.size()).substr(0, kCheckDigits);
  return json.dump();
}

std::string journal_of(const uint8_t* data, size_t size) {
  std::string text;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  for (std::string line; std::getline(lines, line);) {
    text += line.starts_with('!') ? with_check(line.substr(1)) : line;
    if (!lines.eof()) text += '\n';
  }
  return text;
}

// In memory, where the system has such a place: journals are synced.
std::string path() {
  const char* folder = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  return std::string(folder) + "/shrike_fuzz_" + std::to_string(::getpid()) + ".jsonl";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  static const std::string file = path();
  const std::string text = journal_of(data, size);
  std::FILE* out = std::fopen(file.c_str(), "wb");
  SHRIKE_FUZZ_EXPECT(out != nullptr && std::fwrite(text.data(), 1, text.size(), out) == text.size(),
                     "no file");
  std::fclose(out);
  const quantize::JudgementShape shape{.outputs = 2, .timed = true};
  fuzz::expect_words<Error>([&] {
    quantize::Judgement judgement;
    judgement.error = 0.25;
    judgement.noise = {0.5, 1.0};
    judgement.cost.milliseconds = 3.0;
    {
      quantize::AutoJournal journal(file, kInputs, shape);
      journal.add("a trial", judgement);
    }
    const quantize::AutoJournal journal(file, kInputs, shape);
    const quantize::Judgement* found = journal.find("a trial");
    SHRIKE_FUZZ_EXPECT(found != nullptr && found->error == 0.25 && found->noise == judgement.noise,
                       "forgotten");
    SHRIKE_FUZZ_EXPECT(journal.notes().empty(), "%s", journal.notes()[0].c_str());
  });
  ::unlink(file.c_str());
  return 0;
}
