#include "cli/model_input.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "cli/command_line.h"
#include "runtime/ops/numeric.h"
#include "shrike/image.h"
#include "toolchain/data/image.h"
#include "toolchain/data/samples.h"
#include "toolchain/espdl/layout.h"
#include "toolchain/host/tensors.h"
#include "toolchain/integer/stored.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::cli {
namespace {

constexpr uint64_t kUsualSeed = 1;

std::string input_names(const InspectableModel& model) {
  std::string names;
  for (int32_t i = 0; i < model.input_count(); ++i)
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", host::to_string(model.input(i).name));
  return names;
}

std::optional<TensorView> find_input(const InspectableModel& model, const std::string& name) {
  for (int32_t i = 0; i < model.input_count(); ++i) {
    if (model.input(i).name == name.c_str()) return model.input(i);
  }
  return std::nullopt;
}

void write_values(const host::IntegerModel& file, const TensorView& input, const std::vector<float>& values) {
  const float inverse = std::ldexp(1.0f, -input.exponent);
  for (size_t i = 0; i < values.size(); ++i) {
    const float scaled = values[i] * inverse;
    if (input.type == DataType::kInt16) {
      static_cast<int16_t*>(input.data)[i] = quantize_float<int16_t>(scaled, rounding_of(file.target()));
    } else if (input.type == DataType::kInt8) {
      static_cast<int8_t*>(input.data)[i] = quantize_float<int8_t>(scaled, rounding_of(file.target()));
    } else {
      fail("input '{}' of '{}' is {}: give its bytes in a raw file", host::to_string(input.name), file.name(),
           host::type_name(input.type));
    }
  }
}

void write_picture(const host::IntegerModel& file, const TensorView& input, const std::string& path) {
  const data::Image image = data::load_image(path);
  ImagePlacement placement;
  const Status status =
      preprocess({image.pixels.data(), image.width, image.height}, preprocess_options(file.model()),
                 rounding_of(file.target()), input, &placement);
  if (!status.ok()) {
    fail("{}: input '{}' of '{}' is {} {}, which a picture doesn't become; give a .npy array", path,
         host::to_string(input.name), file.name(), host::type_name(input.type),
         host::shape_text(input.shape));
  }
}

void write_raw(const host::IntegerModel& file, const TensorView& input, const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  if (bytes.size() != input.bytes) {
    fail("'{}' holds {} bytes, but input '{}' of '{}' is {} {}: {} bytes", path, bytes.size(),
         host::to_string(input.name), file.name(), host::type_name(input.type), host::shape_text(input.shape),
         input.bytes);
  }
  std::memcpy(input.data, bytes.data(), bytes.size());
}

void load_input(const host::IntegerModel& file, const TensorView& input, const std::string& path) {
  switch (data::kind_of_file(path)) {
    case data::FileKind::kPicture:
      return write_picture(file, input, path);
    case data::FileKind::kArray: {
      const data::Port port{
          host::to_string(input.name), {input.shape.dims, input.shape.dims + input.shape.rank}, std::nullopt};
      const std::vector<float> values = data::load_sample(path, {port})[0];
      const espdl::Permutation order = quantize::order_of_alike_dims(file, input);
      return write_values(file, input, order.empty() ? values : espdl::transposed(values, port.shape, order));
    }
    case data::FileKind::kOther:
      return write_raw(file, input, path);
  }
}

}  // namespace

std::map<std::string, std::string> parse_inputs(const std::vector<std::string>& entries) {
  std::map<std::string, std::string> files;
  for (const std::string& entry : entries) {
    const size_t equals = entry.rfind('=');
    if (equals == std::string::npos)
      throw WrongCommandLine("--input: '" + entry + "' is not of the form NAME=FILE");
    files[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return files;
}

void set_inputs(const host::IntegerModel& file, const std::map<std::string, std::string>& files,
                std::optional<uint64_t> seed) {
  const InspectableModel& model = file.model();
  for (const auto& [name, path] : files) {
    if (!find_input(model, name))
      fail("'{}' has no input '{}'; it has {}", file.name(), name, input_names(model));
  }
  if (files.empty() || seed) {
    host::fill_inputs(model, seed.value_or(kUsualSeed));
  } else {
    for (int32_t i = 0; i < model.input_count(); ++i) {
      const std::string name = host::to_string(model.input(i).name);
      if (!files.contains(name))
        fail("input '{}' of '{}' is not given; add --input {}=FILE or --seed N", name, file.name(), name);
    }
  }
  for (const auto& [name, path] : files) load_input(file, *find_input(model, name), path);
}

}  // namespace shrike::cli
