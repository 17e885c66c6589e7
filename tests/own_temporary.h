// Names of temporary files that no other run of the tests has, in another tree on the same machine.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace shrike::tests {

inline std::string own_temporary(const std::string& name) {
  return testing::TempDir() + "shrike_" + std::to_string(::getpid()) + "_" + name;
}

}  // namespace shrike::tests
