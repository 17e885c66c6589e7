// Field slots and enumerations of the payload's tables (spec/espdl-format.md section 2).
#pragma once
#include <stdint.h>

namespace shrike::format {

namespace model_slot {
enum { kGraph = 7, kMetadata = 8 };
}
namespace graph_slot {
enum {
  kNodes = 0,
  kName = 1,
  kInitializers = 2,
  kInputs = 4,
  kOutputs = 5,
  kValueInfo = 6,
  kTestInputs = 8,
  kTestOutputs = 9
};
}
namespace node_slot {
enum { kInputs = 0, kOutputs = 1, kName = 2, kOpType = 3, kAttributes = 5 };
}
namespace attribute_slot {
enum { kName = 0, kKind = 3, kFloat = 4, kInt = 5, kString = 6, kInts = 11 };
}
namespace tensor_slot {
enum { kDims = 0, kDataType = 1, kName = 6, kRawData = 8, kExponents = 13 };
}
namespace value_slot {
enum { kName = 0, kType = 1, kExponents = 3 };
}
namespace type_slot {
enum { kDiscriminator = 0, kValue = 1 };
}
namespace tensor_type_slot {
enum { kElementType = 0, kShape = 1 };
}
namespace shape_slot {
enum { kDims = 0 };
}
namespace dim_slot {
enum { kValue = 0 };
}
namespace dim_value_slot {
enum { kKind = 0, kValue = 1 };
}
namespace key_value_slot {
enum { kKey = 0, kValue = 1 };
}

constexpr int32_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeString = 3, kAttributeInts = 7;
constexpr uint8_t kTypeIsTensor = 1;
constexpr int8_t kDimensionIsValue = 1;
constexpr uint32_t kBlockBytes = 16;  // raw_data is a vector of 16-byte blocks

}  // namespace shrike::format
