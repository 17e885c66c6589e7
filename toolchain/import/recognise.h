// Internal to the import: what a file is, told by its first bytes (and, for an archive, by its entries).
#pragma once
#include <string>

namespace shrike::graph {

enum class ModelFormat {
  kOnnx,  // also whatever is nothing else: protobuf has no signature, its parser has the last word
  kTorchCheckpoint,
  kTflite,
};

// Throws Error for what is recognised and cannot be imported: the sentence names the kind and the way on.
ModelFormat recognise(const std::string& bytes, const std::string& path);

// For a folder given in place of a file: a TensorFlow SavedModel or something else. Always throws.
[[noreturn]] void refuse_folder(const std::string& path);

}  // namespace shrike::graph
