#include "toolchain/board/templates.h"

#include <cctype>

#include "toolchain/support/error.h"

namespace shrike::board {

std::string fill(const char* text, const std::map<std::string, std::string>& words) {
  const std::string source = text;
  std::string result;
  for (size_t at = 0; at < source.size();) {
    size_t end = at + 1;
    while (source[at] == '@' && end < source.size() && (std::isupper(source[end]) != 0 || source[end] == '_'))
      ++end;
    const bool word = source[at] == '@' && end > at + 1 && end < source.size() && source[end] == '@';
    if (!word) {
      result += source[at++];
      continue;
    }
    const std::string name = source.substr(at + 1, end - at - 1);
    const auto found = words.find(name);
    if (found == words.end()) fail("a text of the project has no value for '{}'", name);
    result += found->second;
    at = end + 1;
  }
  return result;
}

// The program's own section keeps the 16-byte alignment that the vector unit wants (spec/board.md 4.3); IDF's
// EMBED_FILES does not.
const char kModelAssembly[] =
    R"(// Files in the program's constants. The model starts at a 16-byte aligned address, as ESP-DL and Shrike want.
    .section .rodata.embedded, "a"
@PARTS@)";

const char kKconfig[] = R"(menu "Model"

    config MODEL_PROFILE
        bool "Print the time of every layer"
        default n
        help
            For "shrike check-board" and "shrike calibrate-cost".

    config MODEL_HASHES
        bool "Print the SHA-256 of every output on generated input"
        default n
        help
            For "shrike check-board".

    config MODEL_TWO_CORES
        bool "Use both cores"
        default y

@MORE@endmenu
)";

const char kCameraHeader[] = R"(// Frames of the board's camera through V4L2 (spec/board.md 7.2).
#pragma once
#include <stdint.h>

struct Frame {
  enum Format { kRgb888, kRgb565le, kRgb565be };
  uint8_t* pixels = nullptr;
  int width = 0, height = 0;
  Format format = kRgb888;
  unsigned buffer = 0;
};

// False, with a line that says why, when there is no camera or it fails.
bool open_camera();
bool take_frame(Frame* frame);
// Gives a frame's memory back; as soon as its pixels are in the network's input.
void return_frame(const Frame& frame);
)";

const char kCameraSource[] = R"(#include "camera.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bsp/esp-bsp.h"
#include "linux/videodev2.h"

namespace {

constexpr unsigned kBuffers = 2;

int device = -1;
uint8_t* buffers[kBuffers];
Frame shape;  // of every frame

bool failed(const char* step) {
  printf("SHRIKE error: camera: %s failed\n", step);
  return false;
}

v4l2_buffer buffer_of(unsigned index) {
  v4l2_buffer buffer;
  memset(&buffer, 0, sizeof buffer);
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  buffer.index = index;
  return buffer;
}

// Keeps the sensor's size; a device that already delivers byte-swapped 565 stays with it.
bool choose_format() {
  v4l2_format format;
  memset(&format, 0, sizeof format);
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ioctl(device, VIDIOC_G_FMT, &format) != 0) return failed("VIDIOC_G_FMT");
  if (format.fmt.pix.pixelformat != V4L2_PIX_FMT_RGB565X) {
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_RGB565;
    if (ioctl(device, VIDIOC_S_FMT, &format) != 0) return failed("VIDIOC_S_FMT");
  }
  shape.width = static_cast<int>(format.fmt.pix.width);
  shape.height = static_cast<int>(format.fmt.pix.height);
  shape.format = format.fmt.pix.pixelformat == V4L2_PIX_FMT_RGB565X ? Frame::kRgb565be : Frame::kRgb565le;
  return true;
}

bool map_buffers() {
  v4l2_requestbuffers request;
  memset(&request, 0, sizeof request);
  request.count = kBuffers;
  request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  request.memory = V4L2_MEMORY_MMAP;
  if (ioctl(device, VIDIOC_REQBUFS, &request) != 0) return failed("VIDIOC_REQBUFS");
  for (unsigned i = 0; i < kBuffers; ++i) {
    v4l2_buffer buffer = buffer_of(i);
    if (ioctl(device, VIDIOC_QUERYBUF, &buffer) != 0) return failed("VIDIOC_QUERYBUF");
    void* memory = mmap(nullptr, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, device,
                        static_cast<off_t>(buffer.m.offset));
    if (memory == MAP_FAILED) return failed("mmap");
    buffers[i] = static_cast<uint8_t*>(memory);
    if (ioctl(device, VIDIOC_QBUF, &buffer) != 0) return failed("VIDIOC_QBUF");
  }
  return true;
}

}  // namespace

bool open_camera() {
  if (bsp_camera_start(nullptr) != ESP_OK) return failed("bsp_camera_start");
  device = open(BSP_CAMERA_DEVICE, O_RDWR);
  if (device < 0) return failed("open");
  if (!choose_format() || !map_buffers()) return false;
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  return ioctl(device, VIDIOC_STREAMON, &type) == 0 || failed("VIDIOC_STREAMON");
}

bool take_frame(Frame* frame) {
  v4l2_buffer buffer = buffer_of(0);
  if (ioctl(device, VIDIOC_DQBUF, &buffer) != 0) return failed("VIDIOC_DQBUF");
  *frame = shape;
  frame->pixels = buffers[buffer.index];
  frame->buffer = buffer.index;
  return true;
}

void return_frame(const Frame& frame) {
  v4l2_buffer buffer = buffer_of(frame.buffer);
  if (ioctl(device, VIDIOC_QBUF, &buffer) != 0) failed("VIDIOC_QBUF");
}
)";

}  // namespace shrike::board
