// Image files, folders and letterboxing on the host.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace shrike::data {

struct Image {  // RGB, 8 bit, rows packed
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;
};

// JPEG (grey and CMYK included) or PNG by content, whatever the name says. Throws Error naming the file.
Image load_image(const std::string& path);
// .png or .jpg by extension; written beside and renamed.
void save_image(const Image& image, const std::string& path);

// kPicturesAndArrays: .npy files too.
enum class Listed { kPictures, kPicturesAndArrays };
// *.jpg, *.jpeg, *.png of a folder and its sub-folders, sorted by path, hidden ones left out; or what a text
// file lists, a path a line (relative to the list's folder), in its order. `notes` receives a sentence about
// picture files of formats that can't be read. Throws Error when there is nothing.
std::vector<std::string> list_files(const std::string& place, Listed listed,
                                    std::vector<std::string>* notes = nullptr);
std::vector<std::string> list_images(const std::string& place, std::vector<std::string>* notes = nullptr);

// The whole picture with borders; both sides to fit; the largest middle part of the wanted ratio.
enum class Geometry { kLetterbox, kStretch, kCenterCrop };

// How an image was placed in the network's input: x_input = x_image * scale_x + left (negative where it is
// cut off).
struct Placement {
  float scale_x = 1, scale_y = 1;
  int left = 0, top = 0;
  int inner_width = 0, inner_height = 0;
};

// Evaluation's preprocessing: OpenCV-like bilinear resize (fixed point as INTER_LINEAR for 8 bit), inner size
// rounded, grey 114 around, centred as Ultralytics does (round(pad - 0.1), round(pad + 0.1)). kStretch
// ignores the ratio.
Image fit(const Image& image, int width, int height, Geometry geometry, Placement* placement);
// Plain bilinear resize with half-pixel centres, as cv::resize(INTER_LINEAR).
Image resize_bilinear(const Image& image, int width, int height);

// Loads and prepares images on `threads` threads and hands them to `sink` in order; bounded memory.
// `prepare` runs on the worker threads.
void for_each_image(const std::vector<std::string>& paths, int threads,
                    const std::function<void(size_t index, Image image)>& sink);

}  // namespace shrike::data
