// Internal to the .tflite import: what Ultralytics' exporter appends to the file (spec/importers.md section
// B1).
#pragma once
#include <map>
#include <string>

namespace shrike::graph::tflite {

// The archive behind the FlatBuffers data holds metadata.json or temp_meta.txt (a Python literal): names,
// stride, task, imgsz, kpt_shape in the form of the ONNX export's metadata. Empty when there is none or it
// can't be read: a model needs no names.
std::map<std::string, std::string> read_metadata(const std::string& bytes, const std::string& file);

}  // namespace shrike::graph::tflite
