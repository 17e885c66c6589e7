// From the quantised graph to the file that ESP-DL's on-chip library and our runtime load.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::espdl {

// An initializer as stored: bytes in the storage order of spec/espdl-format.md section 6.
struct StoredTensor {
  std::string name;
  std::vector<int64_t> dims;
  DataType type = DataType::kUndefined;
  std::vector<int64_t> exponents;  // one, or one per output channel
  std::vector<uint8_t> bytes;
  std::string doc;  // "layout ==> ..."; empty for tables
};

struct StoredValue {  // value_info
  std::string name;
  std::vector<int64_t> dims;  // stored order
  DataType type = DataType::kUndefined;
  int64_t exponent = 0;
  std::vector<int> permutation;  // stored axis i is logical axis permutation[i]; host-side only
};

// A variable without bytes of its own: the Transpose that made it moved nothing in stored order.
struct HeldValue {
  std::string name, holder;
  std::vector<int> permutation;  // of the holder's stored axes
};

struct StoredNode {
  std::string name, op;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, graph::Attribute> attributes;
};

// The lowered program: exactly what is serialised.
struct Program {
  std::string graph_name;
  Target target = kDefaultTarget;
  std::vector<StoredNode> nodes;
  std::vector<StoredTensor> initializers;  // tables first
  std::vector<StoredValue> values;         // graph inputs and node outputs
  std::vector<HeldValue> held;             // host-side only
  std::vector<std::string> inputs, outputs;
  std::vector<StoredTensor> test_inputs, test_outputs;
  std::map<std::string, std::string> metadata;  // "target" is always written
};

// Checks the constraints of the design (right shifts, bias width, accumulator, operator x bits for the
// target, one format per copy group) and throws Error naming the node.
void check_constraints(const graph::Graph& graph, Target target);
bool meets_constraints(const graph::Graph& graph, Target target);

// Lays the materialized graph (formats chosen, constants' `integers` filled, RequantizeLinear in place) out
// for the target: NHWC activations, blocked or plain filters, tables for activations, storage chain of
// variable MatMul operands, fused Relu, attributes in stored order. Checks the constraints first. Every
// variable of the program keeps its name in the graph, except that Relu behind Conv, Gemm and MatMul swallows
// their output and that Transposes which meet are merged; what is inserted gets new names.
Program lower(const graph::Graph& graph, Target target);

// Bytes of the container (EDL2). Deterministic.
std::vector<uint8_t> serialize(const Program& program);
// Text of the .info companion and of the .json companion (spec/espdl-format.md section 10). `file_hash`, the
// SHA-256 of the `.espdl` that they describe, stands near their beginning as "espdl_sha256", so that a reader
// can tell whether the three belong together; empty: left out. So does what is in `origin`: keys and values
// that tell how the file came about.
std::string info_text(const Program& program, const std::string& file_hash = "");
std::string config_json(const graph::Graph& graph, Target target, const std::string& file_hash = "",
                        const std::map<std::string, std::string>& origin = {});

// Logical float/integer data -> stored order and back, for a value of the program.
std::vector<int64_t> to_stored(const StoredValue& value, const std::vector<int64_t>& logical);
std::vector<int64_t> to_logical(const StoredValue& value, const std::vector<int64_t>& stored);

// The program's variable of that name; throws Error when there is none.
const StoredValue& value_named(const Program& program, const std::string& name);

}  // namespace shrike::espdl
