// Lowers, writes, loads and runs a graph, and compares every output with the naive computation.
#pragma once
#include "tests/espdl/maker.h"
#include "toolchain/espdl/writer.h"

namespace shrike::espdl::tests {

// Runs the graph both ways on the same random inputs; `outputs` become its outputs.
void expect_equal(Maker& maker, Target target, const std::vector<std::string>& outputs);

}  // namespace shrike::espdl::tests
