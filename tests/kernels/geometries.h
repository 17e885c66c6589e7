// Corners of the convolutions' geometry, for all widths.
#pragma once
#include "tests/kernels/reference.h"

namespace shrike::tests {

struct Named {
  const char* name;
  ConvGeometry geometry;
};

inline const Named kGeometries[] = {
    {"1x1 on 1x1", geometry(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1, one channel in, 17 out", geometry(5, 7, 1, 17, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1, 37 in, 48 out", geometry(9, 13, 37, 48, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1 on one long column", geometry(301, 1, 24, 16, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1 on one long row", geometry(1, 1009, 64, 24, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1 stride 2", geometry(9, 11, 20, 33, 1, 1, 2, 1, 0, 0, 0, 0)},
    {"1x1 with padding", geometry(4, 5, 6, 7, 1, 1, 1, 1, 1, 2, 2, 1)},
    {"3x3 stem, stride 2", geometry(17, 23, 3, 16, 3, 3, 2, 1, 1, 1, 1, 1)},
    {"3x3 on 1x1", geometry(1, 1, 5, 20, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3 same", geometry(12, 20, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, many rows", geometry(70, 6, 96, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, 8 channels", geometry(11, 9, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, odd everything", geometry(13, 19, 7, 29, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3 dilation 2", geometry(15, 14, 9, 18, 3, 3, 1, 2, 2, 2, 2, 2)},
    {"3x3 dilation 3, stride 2", geometry(21, 18, 4, 16, 3, 3, 2, 3, 3, 3, 3, 3)},
    {"3x3, padding at one side", geometry(8, 9, 10, 16, 3, 3, 1, 1, 2, 0, 0, 1)},
    {"padding wider than the input", geometry(2, 3, 4, 16, 3, 3, 1, 1, 5, 6, 5, 6)},
    {"2x5", geometry(10, 12, 6, 40, 2, 5, 1, 1, 0, 2, 1, 2)},
    {"7x1 stride 3", geometry(25, 4, 3, 5, 7, 1, 3, 1, 3, 0, 3, 0)},
    {"1-D, kernel 9", geometry(1, 50, 12, 12, 1, 9, 1, 1, 0, 4, 0, 4)},
    {"kernel as large as the input", geometry(6, 7, 11, 31, 6, 7, 1, 1, 0, 0, 0, 0)},
    {"taller stride than kernel", geometry(23, 23, 5, 6, 2, 2, 5, 1, 0, 0, 0, 0)},
    {"3x3, many rows", geometry(90, 6, 96, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, 144 out", geometry(5, 9, 16, 144, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"1x1, 200 out", geometry(4, 7, 24, 200, 1, 1, 1, 1, 0, 0, 0, 0)},
    // Few channels out of rows that are wide enough for pixels in the lanes.
    {"wide stem, stride 2", geometry(19, 71, 3, 16, 3, 3, 2, 1, 1, 1, 1, 1)},
    {"3 channels, 5 out", geometry(6, 50, 3, 5, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"4 channels, 8 out", geometry(5, 40, 4, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"4 channels, 8 out, stride 2", geometry(9, 99, 4, 8, 3, 5, 2, 1, 1, 2, 1, 2)},
    {"8 channels, 8 out", geometry(7, 64, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"8 channels, 16 out, dilation 3, stride 2", geometry(15, 80, 8, 16, 3, 3, 2, 3, 3, 3, 3, 3)},
    {"12 channels, 10 out", geometry(6, 33, 12, 10, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"16 channels, 16 out", geometry(8, 49, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"16 channels, 7 out, stride 2", geometry(7, 67, 16, 7, 3, 3, 2, 1, 1, 1, 1, 1)},
    {"20 channels, 16 out, stride 3", geometry(10, 52, 20, 16, 5, 4, 3, 1, 2, 1, 2, 2)},
    {"32 channels, 1 out", geometry(5, 16, 32, 1, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"few channels, padding wider than the input", geometry(2, 3, 4, 12, 3, 3, 1, 1, 5, 16, 5, 17)},
};

inline const Named kDepthwise[] = {
    {"depthwise 1x1 on 1x1", geometry(1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, true)},
    {"depthwise 3x3", geometry(10, 14, 64, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)},
    {"depthwise 3x3, one channel", geometry(7, 9, 1, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)},
    {"depthwise 3x3, 37 channels, stride 2", geometry(15, 13, 37, 0, 3, 3, 2, 1, 1, 1, 1, 1, true)},
    {"depthwise 5x5, 20 channels", geometry(9, 9, 20, 0, 5, 5, 1, 1, 2, 2, 2, 2, true)},
    {"depthwise dilation 2", geometry(12, 11, 33, 0, 3, 3, 1, 2, 2, 2, 2, 2, true)},
    {"depthwise, padding at one side", geometry(6, 8, 16, 0, 2, 4, 1, 1, 0, 3, 1, 0, true)},
    {"depthwise, padding wider than the input", geometry(2, 2, 18, 0, 3, 3, 1, 1, 4, 5, 4, 5, true)},
    {"depthwise 1x1", geometry(3, 5, 21, 0, 1, 1, 1, 1, 0, 0, 0, 0, true)},
    {"depthwise 3x3, 80 channels", geometry(11, 23, 80, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)},
    {"depthwise 5x5, 96 channels", geometry(10, 19, 96, 0, 5, 5, 1, 1, 2, 2, 2, 2, true)},
    {"depthwise 5x5, stride 3", geometry(14, 17, 144, 0, 5, 5, 3, 1, 2, 2, 2, 2, true)},
    {"depthwise 7x7, 100 channels", geometry(9, 12, 100, 0, 7, 7, 1, 1, 3, 3, 3, 3, true)},
    {"depthwise 3x1", geometry(13, 18, 24, 0, 3, 1, 1, 1, 1, 0, 1, 0, true)},
};

}  // namespace shrike::tests
