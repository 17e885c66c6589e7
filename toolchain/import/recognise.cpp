#include "toolchain/import/recognise.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>

#include "toolchain/import/zip.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

using namespace std::string_view_literals;

// A kind of file that people give to a program like this one, and that it cannot read.
struct FileKind {
  const char* what;
  const char* way_on;  // {0}: the file
};

constexpr FileKind kEspdl = {"an .espdl file, which is already quantised",
                             "give the float model that it was made from (.onnx, .pt or .tflite)"};
constexpr FileKind kPicture = {"a picture",
                               "give the model file; pictures go to --calib or behind the model"};
constexpr FileKind kLegacyTorch = {
    "a checkpoint of PyTorch before 1.6",
    "save it again: python -c \"import torch; torch.save(torch.load('{0}', map_location='cpu', "
    "weights_only=False), 'new.pt')\""};
constexpr FileKind kPickle = {"a bare Python pickle, not a model file",
                              "export the model to ONNX where it was made"};
constexpr FileKind kTorchScript = {
    "a TorchScript archive (compiled code)",
    "give the checkpoint (.pt) that it was exported from, or convert it: python -c \"import torch; "
    "torch.onnx.export(torch.jit.load('{0}', map_location='cpu').eval(), torch.zeros(1, 3, 640, 640), "
    "'model.onnx')\""};
constexpr FileKind kTorchPackage = {"an archive of torch.export or torch.package",
                                    "export ONNX with torch.onnx.export where it was made"};
constexpr FileKind kSavedModel = {
    "a TensorFlow SavedModel", "convert it: python -m tf2onnx.convert --saved-model {0} --output model.onnx"};
constexpr FileKind kSavedModelFile = {
    "the graph of a TensorFlow SavedModel",
    "convert its folder: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx"};
constexpr FileKind kFrozenGraph = {
    "a frozen TensorFlow graph",
    "convert it: python -m tf2onnx.convert --graphdef {0} --inputs NAME:0 --outputs "
    "NAME:0 --output model.onnx"};
constexpr FileKind kKeras5 = {"a Keras or other HDF5 file",
                              "convert it: python -m tf2onnx.convert --keras {0} --output model.onnx"};
constexpr FileKind kKerasZip = {"a Keras model",
                                "convert it: python -c \"import keras; "
                                "keras.models.load_model('{0}').export('model.onnx', format='onnx')\""};
constexpr FileKind kNumpy = {"NumPy arrays", "give the model file"};
constexpr FileKind kSafetensors = {"weights without a network (safetensors)",
                                   "export the model to ONNX where its network is defined"};
constexpr FileKind kOtherRuntime = {"a model prepared for another runtime",
                                    "give the model that it was made from (.onnx, .pt or .tflite)"};
constexpr FileKind kArchive = {"a compressed archive", "unpack it and give the model inside"};
constexpr FileKind kPage = {"a web page",
                            "download the model file itself (the raw file, not the page that shows it)"};
constexpr FileKind kPointer = {"a Git LFS pointer, not the file itself",
                               "fetch it: git lfs pull --include {0}"};
constexpr FileKind kText = {"text", "give the model file (.onnx, .pt or .tflite)"};

struct Signature {
  size_t offset;
  std::string_view bytes;
  const FileKind* kind;
};

constexpr std::array kSignatures = {
    Signature{5, "\0\0\0{\""sv, &kSafetensors},
    Signature{0, "EDL1"sv, &kEspdl},
    Signature{0, "EDL2"sv, &kEspdl},
    Signature{0, "PDL1"sv, &kEspdl},
    Signature{0, "PDL2"sv, &kEspdl},
    Signature{0, "PDL3"sv, &kEspdl},
    Signature{0, "\xff\xd8\xff"sv, &kPicture},
    Signature{0, "\x89PNG\r\n\x1a\n"sv, &kPicture},
    Signature{0, "GIF8"sv, &kPicture},
    Signature{0, "II*\0"sv, &kPicture},
    Signature{0, "MM\0*"sv, &kPicture},
    Signature{8, "WEBP"sv, &kPicture},
    Signature{0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, &kLegacyTorch},
    Signature{0, "\x80\x02"sv, &kPickle},
    Signature{0, "\x80\x03"sv, &kPickle},
    Signature{0, "\x80\x04"sv, &kPickle},
    Signature{0, "\x80\x05"sv, &kPickle},
    Signature{0, "\x89HDF\r\n\x1a\n"sv, &kKeras5},
    Signature{0, "\x93NUMPY"sv, &kNumpy},
    Signature{0, "GGUF"sv, &kOtherRuntime},
    Signature{0, "7767517\n"sv, &kOtherRuntime},  // ncnn's .param
    Signature{0, "ftrt"sv, &kOtherRuntime},       // a TensorRT engine
    Signature{4, "ORTM"sv, &kOtherRuntime},       // ONNX Runtime's own format
    Signature{0, "RKNN"sv, &kOtherRuntime},
    Signature{0, "\x1f\x8b"sv, &kArchive},
    Signature{0, "7z\xbc\xaf\x27\x1c"sv, &kArchive},
    Signature{0, "Rar!"sv, &kArchive},
    Signature{0, "BZh"sv, &kArchive},
    Signature{0, "\xfd\x37zXZ"sv, &kArchive},
    Signature{0, "\x28\xb5\x2f\xfd"sv, &kArchive},
    Signature{257, "ustar"sv, &kArchive},
    Signature{0, "version https://git-lfs"sv, &kPointer},
    Signature{0, "<?xml"sv, &kOtherRuntime},  // OpenVINO's network beside its weights
    Signature{0, "<!"sv, &kPage},
    Signature{0, "<html"sv, &kPage},
    Signature{0, "<HTML"sv, &kPage},
};

bool has(const std::string& bytes, size_t offset, std::string_view signature) {
  return bytes.size() >= offset + signature.size() &&
         std::string_view(bytes).substr(offset, signature.size()) == signature;
}

[[noreturn]] void refuse(const FileKind& kind, const std::string& path) {
  fail("{}: a float model was expected, found {}; {}", path, kind.what,
       fmt::format(fmt::runtime(kind.way_on), path));
}

bool is_text(const std::string& bytes) {
  const std::string_view head = std::string_view(bytes).substr(0, 4096);
  return std::all_of(head.begin(), head.end(), [](char byte) {
    return byte == '\n' || byte == '\r' || byte == '\t' || (byte >= 0x20 && byte < 0x7f);
  });
}

// SavedModel begins with its schema version, 1, and a MetaGraphDef, which begins with its first or second
// field; an ONNX file (its first field is the IR version) has text in that place.
bool is_saved_model(const std::string& bytes) {
  if (!has(bytes, 0, "\x08\x01\x12"sv)) return false;
  size_t at = 3;
  while (at < bytes.size() && at < 8 && (static_cast<unsigned char>(bytes[at]) & 0x80) != 0) ++at;
  return at + 1 < bytes.size() && (bytes[at + 1] == 0x0a || bytes[at + 1] == 0x12);
}

// A list of nodes, each with its name and operator first. In ONNX files field 1 is a number.
bool is_frozen_graph(const std::string& bytes) {
  return has(bytes, 0, "\x0a"sv) && bytes.size() > 2 &&
         (bytes[2] == 0x0a || (bytes.size() > 3 && bytes[3] == 0x0a));
}

ModelFormat recognise_archive(const std::string& bytes, const std::string& path) {
  const ZipArchive archive(bytes, path);
  bool pickle = false, script = false, package = false, keras = false, arrays = true;
  for (const ZipEntry& entry : archive.entries()) {
    const std::string_view name = entry.name;
    pickle = pickle || name.ends_with("/data.pkl") || name == "data.pkl";
    script = script || name.ends_with("constants.pkl") || name.find("/code/") != std::string_view::npos;
    package = package || name.ends_with("/serialized_exported_program.json") ||
              name.ends_with("/models/model.json") ||
              name.find("/.data/extern_modules") != std::string_view::npos;
    keras = keras || name == "model.weights.h5";
    arrays = arrays && name.ends_with(".npy");
  }
  if (package) refuse(kTorchPackage, path);
  if (pickle && script) refuse(kTorchScript, path);
  if (pickle) return ModelFormat::kTorchCheckpoint;
  if (keras) refuse(kKerasZip, path);
  if (arrays && !archive.entries().empty()) refuse(kNumpy, path);
  refuse(kArchive, path);
}

}  // namespace

ModelFormat recognise(const std::string& bytes, const std::string& path) {
  if (bytes.empty()) fail("{}: a model was expected, found an empty file; copy or export it again", path);
  if (has(bytes, 0, "PK"sv)) return recognise_archive(bytes, path);
  if (has(bytes, 4, "TFL3"sv)) return ModelFormat::kTflite;
  const bool begins_with_ir_version = has(bytes, 0, "\x08"sv) && !has(bytes, 5, "\0\0\0{\""sv);
  if (begins_with_ir_version && !is_saved_model(bytes)) return ModelFormat::kOnnx;
  for (const Signature& signature : kSignatures) {
    if (has(bytes, signature.offset, signature.bytes)) refuse(*signature.kind, path);
  }
  if (is_saved_model(bytes)) refuse(kSavedModelFile, path);
  if (is_frozen_graph(bytes)) refuse(kFrozenGraph, path);
  if (is_text(bytes)) refuse(kText, path);
  return ModelFormat::kOnnx;
}

void refuse_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::set<std::string> models;
  for (fs::directory_iterator entry(path, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    const std::string extension = entry->path().extension().generic_string();
    if (extension == ".tflite" || extension == ".onnx" || extension == ".pt")
      models.insert(entry->path().filename().generic_string());
  }
  const bool saved_model = fs::exists(fs::path(path) / "saved_model.pb", ignored);
  if (!models.empty()) {
    fail("{}: a model file was expected, found a folder{}; give one of the models in it: {}", path,
         saved_model ? " (a TensorFlow SavedModel)" : "", fmt::join(models, ", "));
  }
  if (saved_model) refuse(kSavedModel, path);
  fail("{}: a model file was expected, found a folder; give the file (.onnx, .pt or .tflite)", path);
}

}  // namespace shrike::graph
