// The protobuf classes of the ONNX format, as Debian's libonnx-dev configures them.
#pragma once
#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>
