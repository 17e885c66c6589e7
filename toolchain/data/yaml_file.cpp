#include "toolchain/data/yaml_file.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>
#include <utility>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

// Refuses a second document where it starts. YAML::LoadAll would not end on one that starts where it can't
// (`,`).
class OneDocument : public YAML::EventHandler {
 public:
  explicit OneDocument(const std::string& path) : path_(path) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(started_, true))
      fail("{} line {}: one document was expected, and another starts here; put everything into the first",
           path_, mark.line + 1);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  const std::string& path_;
  bool started_ = false;
};

}  // namespace

YAML::Node read_yaml(const std::string& path) {
  const std::string text = read_text(path);
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  OneDocument handler(path);
  while (parser.HandleNextDocument(handler)) {
  }
  return YAML::Load(text);
}

}  // namespace shrike::data
