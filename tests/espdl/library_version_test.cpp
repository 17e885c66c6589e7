// What a version of ESP-DL computes decides what is written for it (spec/numerics.md section 16).
#include "toolchain/espdl/library_version.h"

#include <gmock/gmock.h>

#include "tests/espdl/maker.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl::tests {
namespace {

using testing::HasSubstr;

std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LibraryVersion, ExponentsPerChannelCameWith332) {
  EXPECT_FALSE(row_of({3, 3, 0}).channel_exponents);
  EXPECT_FALSE(row_of({3, 3, 1}).channel_exponents);
  EXPECT_TRUE(row_of({3, 3, 2}).channel_exponents);
  EXPECT_TRUE(row_of({3, 3, 9}).channel_exponents);
}

TEST(LibraryVersion, TablesGiveTheNearestEntrySince338) {
  EXPECT_FALSE(row_of({3, 3, 7}).nearest_entries);
  EXPECT_TRUE(row_of({3, 3, 8}).nearest_entries);
}

TEST(LibraryVersion, AFileNeedsTheYoungestOfWhatItUses) {
  EXPECT_EQ(oldest_library_with(false, false), (LibraryVersion{3, 3, 0}));
  EXPECT_EQ(oldest_library_with(true, false), (LibraryVersion{3, 3, 2}));
  EXPECT_EQ(oldest_library_with(false, true), (LibraryVersion{3, 3, 8}));
  EXPECT_EQ(oldest_library_with(true, true), (LibraryVersion{3, 3, 8}));
}

TEST(LibraryVersion, VersionsInBetweenAreKnownOthersAreNot) {
  EXPECT_EQ(parse_library_version("3.3.4"), (LibraryVersion{3, 3, 4}));
  EXPECT_EQ(to_string(parse_library_version("3.3.9")), "3.3.9");
  for (const char* text :
       {"3.2.3", "3.3.10", "3.4.0", "3.3", "3.3.2.1", "v3.3.2", "3.3.-2", "", "3..2", "3.3.99999999999"}) {
    EXPECT_THAT(error_of([&] { parse_library_version(text); }), HasSubstr("from 3.3.0 to 3.3.9")) << text;
  }
}

StoredNode lowered_softplus(const char* version) {
  Maker m(16);
  m.node("Softplus", {m.input("x", {1, 8})}, {1, 8}, m.grid());
  m.graph.outputs = {"Softplus0:0"};
  if (version != nullptr) m.graph.metadata[kLibraryKey] = version;
  return lower(m.graph, Target::kEsp32p4).nodes.at(0);
}

TEST(LibraryVersion, LibrariesThatInterpolateGetEveryEntry) {
  const auto step = [](const StoredNode& node) {
    return std::get<int64_t>(node.attributes.at("int16_lut_step"));
  };
  EXPECT_EQ(step(lowered_softplus(nullptr)), 32);
  EXPECT_EQ(step(lowered_softplus("3.3.8")), 32);
  EXPECT_EQ(step(lowered_softplus("3.3.7")), 1);
}

TEST(LibraryVersion, ExponentsPerChannelAreRefusedForOlderOnes) {
  Maker m(8, true);
  m.conv(m.input("x", {1, 8, 4, 4}), 16, {.bias = false});
  m.graph.metadata[kLibraryKey] = "3.3.1";
  EXPECT_THAT(error_of([&] { check_constraints(m.graph, Target::kEsp32p4); }),
              HasSubstr("which ESP-DL 3.3.1 computes wrongly; quantise per layer, or for 3.3.2 and newer"));
  m.graph.metadata[kLibraryKey] = "3.3.2";
  EXPECT_EQ(error_of([&] { check_constraints(m.graph, Target::kEsp32p4); }), "no error");
}

TEST(LibraryVersion, TheNewestLeavesTheFileAsItIs) {
  graph::Graph graph;
  graph.metadata[kLibraryKey] = "from elsewhere";
  set_library(graph, newest_library());
  EXPECT_FALSE(graph.metadata.contains(kLibraryKey));
  EXPECT_EQ(library_of(graph), newest_library());
  set_library(graph, {3, 3, 4});
  EXPECT_EQ(library_of(graph), (LibraryVersion{3, 3, 4}));
}

}  // namespace
}  // namespace shrike::espdl::tests
