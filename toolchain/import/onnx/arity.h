// Internal to the ONNX import: how many inputs an operator takes.
#pragma once
#include <string>

namespace shrike::graph {

struct Arity {
  int least = 1;
  int most = 0;  // 0: any number, or an operator that the table does not know
};

// Over all opsets that are imported: where inputs were attributes once, the smaller number is the old one.
Arity input_arity(const std::string& op);

}  // namespace shrike::graph
