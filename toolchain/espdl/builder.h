// Grows a Program node by node: names, layouts of variables, parameters. The lowering of each operator is
// written on top of it (lower_*.cpp).
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "toolchain/espdl/layout.h"
#include "toolchain/espdl/writer.h"

namespace shrike::espdl {

using Attributes = std::map<std::string, graph::Attribute>;

class Builder {
 public:
  Builder(const graph::Graph& graph, Target target);

  const graph::Graph& graph() const { return graph_; }
  Target target() const { return program_.target; }
  const graph::Tensor& tensor(const std::string& name) const { return graph_.tensor(name); }
  bool is_constant(const std::string& name) const { return tensor(name).constant; }

  // Variables. Names are those of the graph's tensors; `layout_of` and `in_layout` take only defined ones.
  void define(const std::string& tensor, const Permutation& permutation);
  Permutation layout_of(const std::string& tensor) const;
  // Name of a variable that holds `tensor` in the wanted order; inserts a Transpose (or, where no byte moves,
  // a Reshape) the first time it is asked for.
  std::string in_layout(const std::string& tensor, const Permutation& permutation);
  std::string in_logical_order(const std::string& tensor);
  // A variable that is not in the graph, of the type and exponent of `like`.
  std::string define_intermediate(const std::string& stem, const Dims& dims, const std::string& like);

  // Parameters; each call makes an initializer of its own and returns its name.
  std::string add_parameter(const std::string& stem, const Dims& dims, DataType type,
                            const std::vector<int64_t>& exponents, const std::vector<int64_t>& integers,
                            const std::string& doc = "layout ==> UNK");
  std::string add_int64s(const std::string& stem, const std::vector<int64_t>& values);
  std::string add_floats(const std::string& stem, const Dims& dims, const std::vector<float>& values);
  // The graph's constant as it stands (quantised integers, floats or int64), dims as given.
  std::string add_constant(const std::string& tensor, const Dims& dims);
  std::string add_constant(const std::string& tensor) {
    return add_constant(tensor, this->tensor(tensor).shape);
  }
  // `op_type` names the table; it belongs to no input.
  std::string add_table(const std::string& op_type, const graph::Format& output,
                        const std::vector<int64_t>& entries);

  // `bits` (0, 8, 16) becomes quant_type.
  void add_node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
                const std::vector<std::string>& outputs, Attributes attributes, int bits);
  // Transpose, Reshape, Slice between intermediates; return the output's name.
  std::string add_transpose(const std::string& stem, const std::string& input, const Dims& input_dims,
                            const Permutation& perm, const std::string& like);
  std::string add_reshape(const std::string& stem, const std::string& input, const Dims& dims,
                          const std::string& like);

  Program finish();

 private:
  std::string unique(std::set<std::string>& used, const std::string& stem);

  const graph::Graph& graph_;
  Program program_;
  std::vector<StoredTensor> tables_;
  std::set<std::string> tensor_names_, node_names_;
  std::set<std::string> parameter_stems_;  // constants of the graph whose own name is already taken
  std::map<std::string, size_t> value_index_;
  std::map<std::pair<std::string, Permutation>, std::string> copies_;
};

// Bits that decide a node's quant_type: of the output, or where that is float, of the input.
int bits_of(const graph::Graph& graph, const graph::Node& node);
DataType type_of(const graph::Format& format, const std::string& tensor);
std::vector<int64_t> exponents_of(const graph::Format& format);
// The quantised integers of a constant; throws Error when they have not been filled in.
const std::vector<int64_t>& integers_of(const graph::Tensor& tensor, const graph::Node& node);
// Little-endian bytes of `values` in elements of `type` (Int8, Int16, Int32, Int64).
std::vector<uint8_t> packed(const std::vector<int64_t>& values, DataType type, const std::string& name);

}  // namespace shrike::espdl
