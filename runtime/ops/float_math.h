// The few float functions that operators need, with one definition for every machine: C libraries round expf
// and its relatives differently, and a PC, QEMU and a chip must agree bit for bit. Results equal the
// correctly rounded ones in practically all cases. sqrtf is correctly rounded everywhere already. No errno;
// NaN, infinities and subnormals as in C's Annex F.
#pragma once

namespace shrike {

float exp_f32(float x);
float log_f32(float x);
float pow_f32(float x, float y);

// The chip's sequences of spec/numerics.md section 9.3: 1 / (1 + exp(-x)) with addition and division in
// double, and 2 sigmoid(2x) - 1 in float.
float sigmoid_f32(float x);
float tanh_f32(float x);

}  // namespace shrike
