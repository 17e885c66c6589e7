// Internal to the .pt import: what the modules of Ultralytics' networks compute, written as ONNX nodes
// (spec/importers.md section A7). Nodes are named as the ONNX export names them: "/model.2/cv1/conv/Conv".
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/import/graph_writer.h"
#include "toolchain/import/pt/module.h"

namespace shrike::graph::pt {

class Layers {
 public:
  explicit Layers(GraphWriter& writer) : writer_(writer) {}

  // The result of a module with one input. Throws Error for a class that is not known, or whose attributes
  // ask for something that is not.
  std::string run(const Module& module, const std::string& x);
  // The same with a list of inputs (Concat).
  std::string run(const Module& module, const std::vector<std::string>& xs);

  GraphWriter& writer() { return writer_; }
  // Names of the classes that run() knows, sorted.
  static std::vector<std::string> classes();
  // "/model.2/cv1/conv/Conv" for the part of `module`.
  static std::string node_name(const Module& module, const std::string& op);

 private:
  using Rule = std::string (Layers::*)(const Module&, const std::string&);
  static const std::map<std::string, Rule>& rules();

  std::string sequence(const Module& module, std::string x);
  std::string convolution(const Module& module, const std::string& x);
  std::string transposed_convolution(const Module& module, const std::string& x);
  std::string batch_norm(const Module& module, const std::string& x);
  std::string activation(const Module& module, const std::string& x);
  std::string pooling(const Module& module, const std::string& x);
  std::string upsample(const Module& module, const std::string& x);
  std::string linear(const Module& module, const std::string& x);

  std::string conv_block(const Module& module, const std::string& x);
  std::string separable_block(const Module& module, const std::string& x);
  std::string rep_block(const Module& module, const std::string& x);
  std::string bottleneck(const Module& module, const std::string& x);
  std::string c3(const Module& module, const std::string& x);
  std::string c2f(const Module& module, const std::string& x);
  std::string chain_block(const Module& module, const std::string& x);
  std::string sppf(const Module& module, const std::string& x);
  std::string c2psa(const Module& module, const std::string& x);
  std::string psa_block(const Module& module, const std::string& x);
  std::string attention(const Module& module, const std::string& x);
  std::string proto(const Module& module, const std::string& x);

  std::vector<std::string> halves(const Module& module, const std::string& x);
  std::string concat(const Module& module, std::vector<std::string> xs, int64_t axis = 1);
  std::string add(const Module& module, const std::string& a, const std::string& b);
  std::string constant(const Module& module, const std::string& name, Weights weights);
  std::string node(const Module& module, const std::string& op, std::vector<std::string> inputs,
                   Attributes attributes = {});

  GraphWriter& writer_;
  int64_t visited_ = 0;
};

// Throws Error unless the module's class comes from a library whose meaning is known.
void check_origin(const Module& module);

}  // namespace shrike::graph::pt
