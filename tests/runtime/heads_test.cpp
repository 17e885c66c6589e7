// A program decodes with the decoders that it names, and a model whose head is none of them is refused.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "shrike/detector.h"
#include "shrike/inspect.h"
#include "tests/espdl/maker.h"
#include "tests/runtime/model_file.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/op_list.h"

namespace shrike::tests {
namespace {

struct Output {
  std::string name;
  int64_t channels;
};

std::vector<uint8_t> file_with(const std::vector<Output>& outputs, const std::string& head) {
  espdl::tests::Maker m(8);
  const std::string x = m.conv(m.input("images", {1, 3, 32, 32}), 16, {.stride = 2});
  for (const Output& output : outputs) {
    const std::string made = m.conv(x, output.channels, {});
    graph::Tensor tensor = m.graph.tensors.at(made);
    tensor.name = output.name;
    m.graph.tensors.erase(made);
    m.graph.tensors[output.name] = tensor;
    m.graph.nodes.back().outputs = {output.name};
    m.graph.outputs.push_back(output.name);
  }
  if (!head.empty()) m.graph.metadata["head"] = head;
  return espdl::serialize(espdl::lower(m.graph, Target::kEsp32p4));
}

// A model on its own memory whose outputs have these names.
class Network {
 public:
  explicit Network(const std::vector<Output>& outputs, const std::string& head = "")
      : file_(file_with(outputs, head)) {
    ModelOptions options;
    options.operators = &kAllOperators;
    options.kernels = &kPortableKernels;
    const Status status = model.load(file_.data(), file_.size(), arena_.data(), arena_.size(), options);
    EXPECT_TRUE(status.ok()) << status.detail;
  }

  InspectableModel model;

 private:
  AlignedBytes file_, arena_{std::vector<uint8_t>(1 << 20)};
};

template <size_t count>
Status find(const Model& model, const HeadDecoder* const (&decoders)[count], Head* head) {
  return find_head(model, {decoders, static_cast<int32_t>(count)}, head);
}

const std::vector<Output> kBoxes = {{"box0", 4}, {"score0", 2}};
const std::vector<Output> kKeyPoints = {{"box0", 4}, {"score0", 2}, {"kpt0", 6}};
const std::vector<Output> kObjectness = {{"box0", 4}, {"score0", 2}, {"obj0", 1}};

TEST(FindHead, TakesTheDecoderGivenForTheModelsOutputs) {
  const Network network(kBoxes);
  Head head;
  const HeadDecoder* const decoders[] = {&head_pose, &head_detect};
  ASSERT_TRUE(find(network.model, decoders, &head).ok());
  EXPECT_STREQ(decoder_name(head), "detect");
  EXPECT_EQ(head.level_count, 1);
  EXPECT_EQ(head.levels[0].stride, 2);
}

// Boxes and scores are there, but a decoder of boxes alone would drop the key points without a word.
TEST(FindHead, RefusesAModelWhoseHeadHasMoreThanTheDecodersKnow) {
  const Network network(kKeyPoints);
  Head head;
  const HeadDecoder* const decoders[] = {&head_detect, &head_segment};
  const Status status = find(network.model, decoders, &head);
  EXPECT_EQ(status.code, StatusCode::kNotFound);
  EXPECT_STREQ(status.detail, "no decoder given is one for just the model's outputs");
  ASSERT_TRUE(find_head(network.model, kAllHeads, &head).ok());
  EXPECT_STREQ(decoder_name(head), "pose");
  EXPECT_EQ(head.key_points, 2);
}

// YOLOX and YOLOv5 share the names of their tensors: the file says which it is.
TEST(FindHead, RefusesTheDecoderOfAnotherHeadWithTheSameNames) {
  const Network network(kObjectness, "anchors levels=1 anchors=10,20");
  Head head;
  const HeadDecoder* const wrong[] = {&head_objectness};
  const Status status = find(network.model, wrong, &head);
  EXPECT_EQ(status.code, StatusCode::kNotFound);
  EXPECT_STREQ(status.detail, "the decoder of the model's head is not among those given");
  const HeadDecoder* const right[] = {&head_objectness, &head_anchors};
  ASSERT_TRUE(find(network.model, right, &head).ok());
  EXPECT_EQ(head.levels[0].anchors[0][0], 10);
  EXPECT_EQ(head.levels[0].anchors[0][1], 20);
}

// What Espressif's face detector does not say in its file.
TEST(FindHead, KnowsStridesAndAnchorsOfTheFaceDetector) {
  const Network network(
      {{"score0", 2}, {"box0", 8}, {"landmark0", 20}, {"score1", 2}, {"box1", 8}, {"landmark1", 20}});
  Head head;
  const HeadDecoder* const decoders[] = {&head_face};
  ASSERT_TRUE(find(network.model, decoders, &head).ok());
  EXPECT_EQ(head.anchor_count, 2);
  ASSERT_EQ(head.level_count, 2);
  EXPECT_EQ(head.levels[1].stride, 16);
  EXPECT_EQ(head.levels[0].anchors[0][0], 16);
  EXPECT_EQ(head.levels[1].anchors[1][1], 128);
}

TEST(FindHead, ASetOfNoneAndAHeadWithoutDecoderAreReported) {
  const Network network(kBoxes);
  Head head;
  EXPECT_EQ(find_head(network.model, {nullptr, 0}, &head).code, StatusCode::kNotFound);
  EXPECT_EQ(find_head(network.model, kAllHeads, nullptr).code, StatusCode::kBadArgument);
  uint8_t scratch[64];
  Detection detection;
  int32_t count = 0;
  const Status status = decode_detections(Head{}, {}, {}, scratch, sizeof scratch, &detection, &count);
  EXPECT_EQ(status.code, StatusCode::kBadArgument);
  EXPECT_STREQ(status.detail, "the head has no decoder");
}

TEST(FindHead, DecodersAreFoundByTheNamesInFiles) {
  for (int32_t i = 0; i < kAllHeads.count; ++i) {
    const Head head = make_head(*kAllHeads.decoders[i]);
    EXPECT_EQ(find_decoder(kAllHeads, decoder_name(head)), kAllHeads.decoders[i]);
  }
  EXPECT_EQ(find_decoder(kAllHeads, "none"), nullptr);
}

TEST(HeadSets, TheGeneratedSourceNamesTheModelsDecoder) {
  EXPECT_NE(host::op_set_source(Network(kKeyPoints).model).find("&shrike::head_pose,\n"), std::string::npos);
  const std::string none = host::op_set_source(Network({{"map", 8}}).model);
  EXPECT_NE(none.find("kModelHeads = {nullptr, 0};"), std::string::npos);
  EXPECT_EQ(none.find("&shrike::head_"), std::string::npos);
  EXPECT_EQ(host::decoder_symbol("end-to-end"), "head_end_to_end");
}

}  // namespace
}  // namespace shrike::tests
