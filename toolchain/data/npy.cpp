#include "toolchain/data/npy.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 28;
constexpr size_t kMaxRank = 8;

[[noreturn]] void damaged(const std::string& name, const std::string& what) {
  fail("{}: the .npy file is damaged or of another kind ({}); save the array again with numpy.save", name,
       what);
}

// The text behind 'KEY': in the header, a Python dictionary.
std::string field(const std::string& header, const std::string& key, const std::string& name) {
  const size_t at = header.find("'" + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) damaged(name, "no '" + key + "' in its header");
  const size_t begin = header.find_first_not_of(' ', colon + 1);
  if (begin == std::string::npos) damaged(name, "an empty '" + key + "'");
  const char close = header[begin] == '(' ? ')' : header[begin] == '\'' ? '\'' : ',';
  const size_t end = header.find(close, begin + 1);
  if (end == std::string::npos) damaged(name, "an open '" + key + "'");
  return header.substr(begin, end - begin);
}

std::vector<int64_t> parse_shape(const std::string& text, const std::string& name) {
  std::vector<int64_t> shape;
  int64_t elements = 1;
  for (size_t at = 1; at < text.size();) {
    const size_t digit = text.find_first_of("0123456789", at);
    if (digit == std::string::npos) break;
    char* end = nullptr;
    const long long dim = std::strtoll(text.c_str() + digit, &end, 10);
    at = static_cast<size_t>(end - text.c_str());
    if (dim < 1 || dim > kMaxElements || shape.size() == kMaxRank || elements > kMaxElements / dim) {
      fail("{}: an array of 1 to {} elements in at most {} axes was expected, its header says {})", name,
           kMaxElements, kMaxRank, text);
    }
    elements *= dim;
    shape.push_back(dim);
  }
  return shape;
}

float half_to_float(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

template <typename T>
void convert(const uint8_t* from, std::vector<float>& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = static_cast<float>(value);
  }
}

struct Kind {
  const char* name;
  size_t size;
  void (*convert)(const uint8_t*, std::vector<float>&);
};
void convert_halves(const uint8_t* from, std::vector<float>& to) {
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = half_to_float(static_cast<uint16_t>(from[2 * i] | from[2 * i + 1] << 8));
}
constexpr Kind kKinds[] = {
    {"f2", 2, convert_halves},    {"f4", 4, convert<float>},    {"f8", 8, convert<double>},
    {"b1", 1, convert<uint8_t>},  {"i1", 1, convert<int8_t>},   {"i2", 2, convert<int16_t>},
    {"i4", 4, convert<int32_t>},  {"i8", 8, convert<int64_t>},  {"u1", 1, convert<uint8_t>},
    {"u2", 2, convert<uint16_t>}, {"u4", 4, convert<uint32_t>}, {"u8", 8, convert<uint64_t>},
};

const Kind& kind_of(const std::string& descr, const std::string& name) {
  for (const Kind& kind : kKinds) {
    if (descr.size() == 4 && descr.compare(2, 2, kind.name) == 0 && (descr[1] != '>' || kind.size == 1))
      return kind;
  }
  fail(
      "{}: little-endian numbers were expected (float32, int8, ...), found '{}'; convert with "
      "array.astype('<f4')",
      name, descr.substr(descr.empty() ? 0 : 1));
}

// First axis fastest -> last axis fastest.
std::vector<float> transposed(const std::vector<float>& values, const std::vector<int64_t>& shape) {
  std::vector<float> result(values.size());
  std::vector<int64_t> index(shape.size(), 0);
  for (float& to : result) {
    int64_t at = 0, step = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      at += index[axis] * step;
      step *= shape[axis];
    }
    to = values[static_cast<size_t>(at)];
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace

NpyArray parse_npy(const std::vector<uint8_t>& bytes, const std::string& name) {
  static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  if (bytes.size() < 12 || std::memcmp(bytes.data(), magic, sizeof magic) != 0)
    damaged(name, "another beginning");
  const bool wide = bytes[6] >= 2;
  if (bytes[6] < 1 || bytes[6] > 3) damaged(name, "an unknown version");
  uint64_t length = bytes[8] | uint64_t{bytes[9]} << 8;
  if (wide) length |= uint64_t{bytes[10]} << 16 | uint64_t{bytes[11]} << 24;
  const size_t begin = wide ? 12 : 10;
  if (length > bytes.size() - begin) damaged(name, "its header is cut short");
  const std::string header(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                           bytes.begin() + static_cast<std::ptrdiff_t>(begin + length));
  const Kind kind = kind_of(field(header, "descr", name), name);
  NpyArray array;
  array.shape = parse_shape(field(header, "shape", name), name);
  uint64_t elements = 1;
  for (const int64_t dim : array.shape) elements *= static_cast<uint64_t>(dim);
  const uint64_t present = bytes.size() - begin - length;
  if (present != elements * kind.size) {
    fail("{}: {} bytes of numbers were expected for its shape, found {}; save the array again", name,
         elements * kind.size, present);
  }
  array.values.resize(elements);
  kind.convert(bytes.data() + begin + length, array.values);
  if (field(header, "fortran_order", name).starts_with("True"))
    array.values = transposed(array.values, array.shape);
  return array;
}

NpyArray load_npy(const std::string& path) {
  return parse_npy(read_file(path), path);
}

}  // namespace shrike::data
