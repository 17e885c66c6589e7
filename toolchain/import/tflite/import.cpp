#include "toolchain/import/tflite/import.h"

#include "toolchain/import/tflite/converter.h"
#include "toolchain/import/tflite/merge.h"
#include "toolchain/import/tflite/metadata.h"

namespace shrike::graph {

Graph import_tflite(const std::string& bytes, const std::string& file) {
  const ByteReader reader(bytes, file);
  const tflite::Model model = tflite::read_model(reader);
  Graph graph = tflite::Converter(model, file).run();
  tflite::merge_split_convolutions(graph);
  graph.metadata.merge(tflite::read_metadata(bytes, file));
  return graph;
}

std::vector<std::string> tflite_operators() {
  return tflite::Converter::operators();
}

}  // namespace shrike::graph
