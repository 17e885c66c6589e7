// COCO json in and out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/shared_data.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/evaluate/coco.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::evaluate {
namespace {

using testing::HasSubstr;

class CocoFile : public testing::Test {
 protected:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("coco_" + std::to_string(getpid()) + ".json")).string();

  void TearDown() override { std::filesystem::remove(path_); }
  Dataset load(const std::string& text) {
    write_file_atomically(path_, std::string_view(text));
    return load_coco(path_);
  }
  std::string error_of(const std::string& text) {
    try {
      load(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

const char* kImages = R"("images":[{"id":7,"file_name":"a.jpg","width":64,"height":48}])";
const char* kCategories = R"("categories":[{"id":3,"name":"car"},{"id":1,"name":"person"}])";

std::string with_annotation(const std::string& annotation) {
  return "{" + std::string(kImages) + "," + kCategories + R"(,"annotations":[)" + annotation + "]}";
}

TEST_F(CocoFile, EverythingIsRead) {
  const Dataset data = load(with_annotation(
      R"({"image_id":7,"category_id":3,"bbox":[1,2,3.5,4],"area":11.5,"iscrowd":1,"id":9},{"image_id":7,"category_id":1,"bbox":[0,0,2,5]})"));
  ASSERT_EQ(data.images.size(), 1u);
  EXPECT_EQ(data.images[0].file_name, "a.jpg");
  EXPECT_THAT(data.category_ids, testing::ElementsAre(1, 3));
  EXPECT_EQ(data.category_names.at(3), "car");
  ASSERT_EQ(data.annotations.size(), 2u);
  EXPECT_EQ(data.annotations[0].width, 3.5);
  EXPECT_EQ(data.annotations[0].area, 11.5);
  EXPECT_TRUE(data.annotations[0].crowd);
  EXPECT_EQ(data.annotations[1].area, 10);  // none given: the box's
  EXPECT_FALSE(data.annotations[1].crowd);
}

TEST_F(CocoFile, NoWordOfTheJsonReaderIsSaid) {
  for (const std::string& text : {std::string("{"), std::string("{\"images\": [1,]}"), std::string("\xff"),
                                  with_annotation("{\"image_id\": 1e999}"), std::string("{\"a\": nul}")}) {
    EXPECT_THAT(error_of(text), testing::AllOf(HasSubstr(path_), HasSubstr("not valid JSON"),
                                               testing::Not(HasSubstr("json.exception"))));
  }
}

TEST_F(CocoFile, AListThatIsThereTwiceIsRefused) {
  EXPECT_THAT(error_of(R"({"images": [], "annotations": [], "categories": [], "annotations": []})"),
              HasSubstr("\"annotations\" is there twice"));
}

TEST_F(CocoFile, WhatCanNotBeIsCountedInOneNote) {
  const std::string text = with_annotation(
      R"({"image_id":7,"category_id":1,"bbox":[1,2,0,4]},
         {"image_id":7,"category_id":1,"bbox":[1,2,-3,4]},
         {"image_id":7,"category_id":1,"bbox":[100,2,3,4]},
         {"image_id":7,"category_id":1,"bbox":[1,2,3,4],"area":-1},
         {"image_id":7,"category_id":1,"bbox":[1,2,3,4],"area":12})");
  const Dataset data = load(text);
  ASSERT_EQ(data.remarks.size(), 1u);
  for (const char* part : {"1 of negative size", "1 outside their pictures", "1 there twice",
                           "1 without size", "1 with the box's area"})
    EXPECT_THAT(data.remarks[0], HasSubstr(part));
  ASSERT_EQ(data.annotations.size(), 2u);
  EXPECT_EQ(data.annotations[1].area, 12);
  write_file_atomically(path_, std::string_view(text));
  EXPECT_THROW(load_coco(path_, Labels::kStrict), Error);
}

TEST_F(CocoFile, ErrorsNameTheEntry) {
  EXPECT_THAT(error_of("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("is a JSON object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("\"images\" is missing"));
  EXPECT_THAT(error_of(with_annotation("5")), HasSubstr("annotations[0] is not an object"));
  EXPECT_THAT(error_of(with_annotation(R"({"image_id":7})")),
              HasSubstr("annotations[0] has no usable \"category_id\""));
  EXPECT_THAT(error_of(with_annotation(R"({"image_id":8,"category_id":1,"bbox":[0,0,1,1]})")),
              HasSubstr("names image 8"));
  EXPECT_THAT(error_of(with_annotation(R"({"image_id":7,"category_id":2,"bbox":[0,0,1,1]})")),
              HasSubstr("names category 2"));
  EXPECT_THAT(error_of(with_annotation(R"({"image_id":7,"category_id":1,"bbox":[0,0,1]})")),
              HasSubstr("usable \"bbox\""));
  EXPECT_THAT(error_of(with_annotation(R"({"image_id":7,"category_id":1,"bbox":[0,0,1,"x"]})")),
              HasSubstr("usable \"bbox\""));
  EXPECT_THAT(
      error_of(
          R"({"images":[{"id":1,"file_name":"a","width":1,"height":1},{"id":1,"file_name":"b","width":1,"height":1}]})"),
      HasSubstr("images[1] repeats the id 1"));
}

TEST_F(CocoFile, EveryTruncationIsAnError) {
  const std::string whole = with_annotation(R"({"image_id":7,"category_id":1,"bbox":[0,0,1,1]})");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(error_of(whole.substr(0, size)), "no error") << size;
}

TEST_F(CocoFile, MissingFileIsNamed) {
  try {
    load_coco("/no/such/instances.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/no/such/instances.json"));
  }
}

TEST_F(CocoFile, TheSharedSetIsRead) {
  SHRIKE_NEEDS_SHARED("data/coco_val400/instances.json");
  const Dataset data = load_coco(tests::shared_root() + "/data/coco_val400/instances.json");
  EXPECT_EQ(data.images.size(), 400u);
  EXPECT_EQ(data.category_ids.size(), 80u);
  // Its own boxes as detections are perfect.
  std::vector<Detection> detections;
  for (const GroundTruth& g : data.annotations) {
    detections.push_back({g.image_id, g.category_id, g.x, g.y, g.width, g.height, 1});
  }
  EXPECT_GT(evaluate(data, detections).map(), 0.99);
}

TEST(DetectionsJson, GivesBackExactlyWhatWasWritten) {
  const std::vector<Detection> detections = {{42, 3, 0.1, 2.25, 1.0 / 3, 4, 0.9}, {7, 1, 0, 0, 5, 6, 1e-3}};
  const auto json = nlohmann::json::parse(detections_json(detections));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["image_id"], 42);
  EXPECT_EQ(json[0]["category_id"], 3);
  EXPECT_EQ(json[0]["bbox"][2].get<double>(), 1.0 / 3);
  EXPECT_EQ(json[1]["score"].get<double>(), 1e-3);
  EXPECT_EQ(nlohmann::json::parse(detections_json({})).size(), 0u);
}

TEST(ClassNames, UltralyticsMetadataIsRead) {
  const auto names = parse_names(R"({0: 'hen', 1: "farmer's dog", 2: 'a\'b'})");
  ASSERT_TRUE(names.has_value());
  EXPECT_THAT(*names, testing::ElementsAre("hen", "farmer's dog", "a'b"));
}

TEST(ClassNames, OtherTextsAreRefused) {
  for (const char* text :
       {"", "{", "{0: 'a'", "{1: 'a'}", "{0: a}", "{0: 'a'} x", "{0 'a'}", "{0: 'a' 1: 'b'}", "['a']"}) {
    EXPECT_FALSE(parse_names(text).has_value()) << text;
  }
}

TEST(ClassNames, FallBackToCocoOrNumbers) {
  EXPECT_EQ(class_names(80, "").names.at(79), "toothbrush");
  EXPECT_EQ(class_names(80, "{0: 'hen'}").names.at(0), "person");
  EXPECT_EQ(class_names(1, "{0: 'hen'}").names.at(0), "hen");
  EXPECT_EQ(class_names(2, "").names.at(1), "class 1");
}

}  // namespace
}  // namespace shrike::evaluate
