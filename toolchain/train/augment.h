// The steps of augmentation, each on its own (spec/training.md section 3.4). All sizes are pixels; objects
// move with their pixels and are dropped where too little of them is left.
#pragma once
#include <vector>

#include "toolchain/support/random.h"
#include "toolchain/train/pictures.h"

namespace shrike::train {

// Four pictures around a random centre of a canvas of twice the size.
Sample mosaic(const std::vector<Sample>& four, int width, int height, Random& random);

// A view of `width` x `height` of the picture: about its centre, zoomed by 1 - scale .. 1 + scale, shifted by
// up to `translate` of the size.
Sample zoom_and_shift(const Sample& sample, int width, int height, double scale, double translate,
                      Random& random);

// Hue, saturation and value times 1 - gain .. 1 + gain.
void shift_colours(data::Image& image, double hue, double saturation, double value, Random& random);

// Left for right.
void flip(Sample& sample);

}  // namespace shrike::train
