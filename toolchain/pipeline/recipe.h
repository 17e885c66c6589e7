// The constants of the recipe in one place, with what each trades. They were chosen on YOLO11n, 8 bit, by
// output noise and mAP on images that nothing was fitted to (docs/accuracy.md); no other network had a say,
// but none of them knows that network's structure. What follows from arithmetic or from the chip stands where
// it is used.
#pragma once
#include <cstddef>
#include <cstdint>

namespace shrike::quantize::recipe {

// --- Samples: how much of an image's tensor a step looks at. Large tensors are sampled evenly: time against
// steadiness.
inline constexpr int64_t kCalibrationSamples = 30'000;  // elements a tensor and image
inline constexpr int64_t kRescalingSamples = 1000;      // elements a tensor and image
inline constexpr int64_t kRefitRows = 800;  // output positions a layer and image: neighbours tell the same
inline constexpr int64_t kBiasPositions = 200;  // positions a channel and image

// --- Formats.
// Class logits below this (probability 0.0003) never become a detection, whatever they are: formats clip
// them, and they are neither signal nor noise.
inline constexpr float kBackgroundLogit = -8.0f;
// Share of the images' mean power by which a quiet image's noise counts at least: two bits less than the
// others.
inline constexpr double kLeastVotingPower = 1.0 / 16;
// Noise to signal that one RequantizeLinear node is worth: it costs a pass over the tensor on the chip and a
// second rounding.
inline constexpr double kRequantizePrice = 3e-5;
// Powers of an addend and its sum up to this ratio are alike: their ranges are within two bits of each other.
// The residual sums of YOLO11n lie between 0.12 and 2.9.
inline constexpr double kAlikePowers = 16;

// --- Rescaling.
// Every freely scaled tensor ends at this exponent, so that members of a Concat agree without
// RequantizeLinear. Any value serves: weights make up for it.
inline constexpr int kRescaledExponent = -4;
// Ranges with finer steps, absolutely or beside the values themselves, are left alone: such a tensor is
// nearly dead or nearly constant, and a factor that spreads it over 256 codes would cost the float network
// its digits.
inline constexpr double kLeastStep = 1e-6;
// The ends of a range are drawn inwards in steps of 7 %, a step around zero in steps of 4 %.
inline constexpr int kRangeRounds = 3, kRangeSteps = 40, kStepSteps = 60;
inline constexpr double kRangeRatio = 0.93, kStepRatio = 0.96;

// Noise to signal that shifting a tensor must save before a Pad is thought of, and the share of the network's
// time on the chip that all Pads together may take.
inline constexpr double kPadGain = 2e-6, kPadTime = 0.018;
// Share of the logits of a head's distributions that may be clipped, the lowest: their bins have no say.
inline constexpr double kClippedLogits = 0.001;
// Share of the images whose highest peaks may be.
inline constexpr double kClippedPeaks = 0.1;
// Sums and their terms share a step and a shift: shifts are tried coarsely first, in codes.
inline constexpr int kShiftStride = 8, kCoarseSteps = 16;
inline constexpr double kCoarseStepRatio = 0.93;

// --- Groups of channels (transform/channel_groups.h).
// A group is of so many channels, the lanes of a vector, or of a multiple.
inline constexpr size_t kGroupChannels = 16;
// Share of the squares of all filters' steps that a division must save, and the share of the network's time
// on the chip that all divisions together may take.
inline constexpr double kGroupGain = 0.2, kGroupTime = 0.018;

// --- Rounding.
// Share of the mean diagonal added to the covariance: the calibration images don't span what other images
// hold.
inline constexpr double kRefitDamping = 0.01;
// Images processed between two rounds of accumulation; bounds memory.
inline constexpr size_t kRefitBatch = 4;
// Added to the curvature, in units of the number of samples: channels that the activation mutes are left
// alone.
inline constexpr double kMutedCurvature = 0.02;

// --- Exponent search.
// A neighbour is worth a trial when its own noise is at most this many times the present one's.
inline constexpr double kOpenNoise = 8.0;
// Smallest relative improvement that counts: less is the accident of a few images.
inline constexpr double kExponentGain = 0.004;

// --- Budget search (search/auto_search.h).
// An option is adopted when it lowers the error by this share: less is the accident of a few images.
inline constexpr double kOptionGain = 0.02;
// Alternatives of one setting that go through the whole pipeline, and how much worse than the value in force
// their cheap trial may be: the pipeline's corrections forgive some of it.
inline constexpr size_t kFittedAlternatives = 2;
inline constexpr double kForgiven = 1.3;
// A layer moves when it lowers the error by this share.
inline constexpr double kLayerGain = 0.002;
// Layers that are measured anew at once while combining. Fixed, so that the way does not depend on the
// threads.
inline constexpr size_t kCombineBatch = 4;
// Trials while combining, per unit.
inline constexpr size_t kTrialsPerUnit = 3;
// Stages of the way to 16 bit that go through the whole pipeline.
inline constexpr size_t kConfirmed = 4;

// --- Report.
// Images on which the summary's output noise is measured.
inline constexpr int kReportImages = 8;

}  // namespace shrike::quantize::recipe
