// Image files: formats, damage and folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include <jpeglib.h>

#include "tests/shared_data.h"
#include "toolchain/data/decode.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::temp_directory_path() / (std::string("shrike_data_") + info->name() + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

Image gradient(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.pixels.push_back(static_cast<uint8_t>(x * 255 / std::max(1, width - 1)));
      image.pixels.push_back(static_cast<uint8_t>(y * 255 / std::max(1, height - 1)));
      image.pixels.push_back(90);
    }
  }
  return image;
}

std::string message_of(const std::string& file) {
  try {
    load_image(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A JPEG of one colour with `components` samples a pixel; CMYK gets Adobe's marker, so 255 means no ink.
std::vector<uint8_t> one_color_jpeg(J_COLOR_SPACE space, std::vector<uint8_t> color, int width, int height) {
  jpeg_compress_struct codec;
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &buffer, &size);
  codec.image_width = static_cast<JDIMENSION>(width);
  codec.image_height = static_cast<JDIMENSION>(height);
  codec.input_components = static_cast<int>(color.size());
  codec.in_color_space = space == JCS_YCCK ? JCS_CMYK : space;
  jpeg_set_defaults(&codec);
  jpeg_set_colorspace(&codec, space);
  jpeg_set_quality(&codec, 100, TRUE);
  jpeg_start_compress(&codec, TRUE);
  std::vector<uint8_t> row;
  for (int x = 0; x < width; ++x) row.insert(row.end(), color.begin(), color.end());
  for (int y = 0; y < height; ++y) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&codec, &pointer, 1);
  }
  jpeg_finish_compress(&codec);
  std::vector<uint8_t> bytes(buffer, buffer + size);
  jpeg_destroy_compress(&codec);
  std::free(buffer);
  return bytes;
}

TEST_F(Files, PngKeepsEveryPixel) {
  const Image image = gradient(37, 21);
  save_image(image, path("a.png"));
  const Image back = load_image(path("a.png"));
  EXPECT_EQ(back.width, 37);
  EXPECT_EQ(back.height, 21);
  EXPECT_EQ(back.pixels, image.pixels);
}

TEST_F(Files, JpegKeepsColorsNearly) {
  const Image image = gradient(64, 48);
  save_image(image, path("a.jpg"));
  const Image back = load_image(path("a.jpg"));
  ASSERT_EQ(back.pixels.size(), image.pixels.size());
  for (size_t i = 0; i < back.pixels.size(); ++i) ASSERT_NEAR(back.pixels[i], image.pixels[i], 12) << i;
}

TEST_F(Files, ContentDecidesNotTheName) {
  write_file_atomically(path("really_png.jpg"), encode_png(gradient(5, 4)));
  EXPECT_EQ(load_image(path("really_png.jpg")).pixels, gradient(5, 4).pixels);
}

TEST_F(Files, OnePixelPictures) {
  save_image(gradient(1, 1), path("a.png"));
  save_image(gradient(1, 1), path("a.jpg"));
  EXPECT_EQ(load_image(path("a.png")).pixels.size(), 3u);
  EXPECT_EQ(load_image(path("a.jpg")).pixels.size(), 3u);
}

TEST_F(Files, GreyJpegHasThreeEqualChannels) {
  write_file_atomically(path("grey.jpg"), one_color_jpeg(JCS_GRAYSCALE, {77}, 9, 5));
  const Image image = load_image(path("grey.jpg"));
  EXPECT_THAT(image.pixels, testing::SizeIs(9 * 5 * 3));
  EXPECT_THAT(image.pixels, testing::Each(77));
}

// Adobe's CMYK stores 255 - ink: (255, 0, 0, 255) is magenta and yellow at full, no cyan, no black: red.
TEST_F(Files, AdobeCmykAndYcckAreInverted) {
  for (const J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK}) {
    const Image image = decode_jpeg(one_color_jpeg(space, {255, 0, 0, 255}, 8, 8), "cmyk");
    ASSERT_THAT(image.pixels, testing::SizeIs(8 * 8 * 3));
    EXPECT_NEAR(image.pixels[0], 255, 2);
    EXPECT_NEAR(image.pixels[1], 0, 2);
    EXPECT_NEAR(image.pixels[2], 0, 2);
    const Image dark = decode_jpeg(one_color_jpeg(space, {200, 200, 200, 51}, 8, 8), "cmyk");
    EXPECT_NEAR(dark.pixels[0], 40, 2);
  }
}

TEST_F(Files, EveryTruncationOfAJpegIsAnErrorThatNamesTheFile) {
  const std::vector<uint8_t> whole = encode_jpeg(gradient(40, 30), 90);
  // The last two bytes are the end marker; without them every pixel is there, but the file is still not
  // whole.
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    try {
      decode_jpeg(part, "some/picture.jpg");
      FAIL() << "accepted " << size << " of " << whole.size() << " bytes";
    } catch (const Error& error) {
      ASSERT_THAT(error.what(), HasSubstr("some/picture.jpg"));
    }
  }
}

TEST_F(Files, EveryTruncationOfAPngIsAnErrorThatNamesTheFile) {
  const std::vector<uint8_t> whole = encode_png(gradient(40, 30));
  constexpr size_t kEndChunk = 12;
  for (size_t size = 0; size + kEndChunk < whole.size(); ++size) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(decode_png(part, "p"), Error) << size;
  }
}

TEST_F(Files, ChangedBytesNeverCrash) {
  for (const auto& whole : {encode_jpeg(gradient(24, 16), 80), encode_png(gradient(24, 16))}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const uint8_t flip : {0x01, 0x80, 0xFF}) {
        std::vector<uint8_t> bytes = whole;
        bytes[i] ^= flip;
        try {
          const Image image = whole[0] == 0xFF ? decode_jpeg(bytes, "p") : decode_png(bytes, "p");
          EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.width) * image.height * 3);
        } catch (const Error&) {
        }
      }
    }
  }
}

TEST_F(Files, EnormousPicturesAreRefusedBeforeMemoryIsTaken) {
  std::vector<uint8_t> bytes = encode_jpeg(gradient(16, 16), 80);
  for (size_t i = 0; i + 9 < bytes.size(); ++i) {
    if (bytes[i] == 0xFF && bytes[i + 1] == 0xC0) {  // start of frame: length, precision, height, width
      const uint8_t sides[4] = {0xFF, 0x00, 0xFF, 0x00};
      std::memcpy(&bytes[i + 5], sides, 4);
    }
  }
  try {
    decode_jpeg(bytes, "huge.jpg");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("huge.jpg: the picture has more than"));
  }
}

TEST_F(Files, OtherFilesAndMissingFilesAreNamed) {
  write_file_atomically(path("text.jpg"), std::string_view("not a picture"));
  write_file_atomically(path("empty.png"), std::string_view(""));
  EXPECT_THAT(message_of(path("text.jpg")),
              HasSubstr("text.jpg: the file starts like neither a JPEG nor a PNG"));
  EXPECT_THAT(message_of(path("empty.png")), HasSubstr("empty.png: the file is empty"));
  EXPECT_THAT(message_of(path("missing.png")), HasSubstr("missing.png"));
}

TEST_F(Files, UnwritableAndUnknownTargetsAreNamedAndLeaveNothing) {
  EXPECT_THROW(save_image(gradient(2, 2), path("no_such_folder/a.png")), Error);
  EXPECT_THROW(save_image(gradient(2, 2), path("a.bmp")), Error);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Files, FoldersAreListedByName) {
  for (const char* name : {"b.png", "a.JPG", "c.jpeg", "notes.txt"}) {
    write_file_atomically(path(name), std::string_view("x"));
  }
  fs::create_directories(folder_ / "d.png");
  EXPECT_THAT(list_images(folder_.string()),
              testing::ElementsAre(path("a.JPG"), path("b.png"), path("c.jpeg")));
}

TEST_F(Files, MissingAndEmptyFoldersAreErrors) {
  const auto message = [](const std::string& folder) -> std::string {
    try {
      list_images(folder);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(path("none")), HasSubstr("none: there is no such folder"));
  EXPECT_THAT(message(folder_.string()), HasSubstr("holds no .jpg, .jpeg or .png"));
}

// EXIF: little-endian TIFF with one entry, orientation 6 (stored picture must be turned right by 90 degrees).
const uint8_t kTurnRight[] = {'E',  'x',  'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0,
                              0x12, 0x01, 3,   0,   1, 0, 0,   0,   6,  0, 0, 0, 0, 0, 0, 0};

TEST(Exif, OrientationIsRead) {
  EXPECT_EQ(exif_orientation(kTurnRight, sizeof kTurnRight), 6);
  for (size_t size = 0; size < 28; ++size) EXPECT_EQ(exif_orientation(kTurnRight, size), 1) << size;
}

// The letters of a 2x3 picture after each of the eight orientations of the EXIF standard.
TEST(Exif, AllOrientationsStandUpright) {
  const auto letters = [](int orientation) {
    Image stored{2, 3, {}};  // AB / CD / EF
    for (const char c : std::string("ABCDEF"))
      stored.pixels.insert(stored.pixels.end(), 3, static_cast<uint8_t>(c));
    const Image image = upright(stored, orientation);
    std::string text;
    for (size_t i = 0; i < 6; ++i) {
      text += static_cast<char>(image.pixels[i * 3]);
      if ((i + 1) % static_cast<size_t>(image.width) == 0) text += '/';
    }
    return text;
  };
  EXPECT_EQ(letters(1), "AB/CD/EF/");
  EXPECT_EQ(letters(2), "BA/DC/FE/");
  EXPECT_EQ(letters(3), "FE/DC/BA/");
  EXPECT_EQ(letters(4), "EF/CD/AB/");
  EXPECT_EQ(letters(5), "ACE/BDF/");
  EXPECT_EQ(letters(6), "ECA/FDB/");
  EXPECT_EQ(letters(7), "FDB/ECA/");
  EXPECT_EQ(letters(8), "BDF/ACE/");
}

TEST(RealImages, AllOfTheCalibrationSetDecode) {
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  const auto paths = list_images(tests::shared_root() + "/data/coco_calib320/images");
  EXPECT_EQ(paths.size(), 320u);
  size_t next = 0;
  for_each_image(paths, 2, [&](size_t index, Image image) {
    EXPECT_EQ(index, next++);
    EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.width) * image.height * 3);
  });
  EXPECT_EQ(next, 320u);
}

// A progressive JPEG that paints each of the 63 frequencies of three components by itself.
std::vector<uint8_t> jpeg_of_many_scans(int side) {
  std::vector<jpeg_scan_info> scans = {{3, {0, 1, 2, 0}, 0, 0, 0, 0}};
  for (int component = 0; component < 3; ++component) {
    for (int frequency = 1; frequency < 64; ++frequency)
      scans.push_back({1, {component, 0, 0, 0}, frequency, frequency, 0, 0});
  }
  jpeg_compress_struct codec;
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &buffer, &size);
  codec.image_width = codec.image_height = static_cast<JDIMENSION>(side);
  codec.input_components = 3;
  codec.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec);
  codec.scan_info = scans.data();
  codec.num_scans = static_cast<int>(scans.size());
  jpeg_start_compress(&codec, TRUE);
  std::vector<uint8_t> row(static_cast<size_t>(side) * 3, 120);
  for (int y = 0; y < side; ++y) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&codec, &pointer, 1);
  }
  jpeg_finish_compress(&codec);
  std::vector<uint8_t> bytes(buffer, buffer + size);
  jpeg_destroy_compress(&codec);
  std::free(buffer);
  return bytes;
}

// The limits of one test.
class WithLimits {
 public:
  explicit WithLimits(const PictureLimits& limits) { set_picture_limits(limits); }
  ~WithLimits() { set_picture_limits({}); }
};

TEST_F(Files, AProgressiveJpegIsPaintedAsOftenAsIsAllowed) {
  write_file_atomically(path("many.jpg"), jpeg_of_many_scans(32));
  EXPECT_THAT(message_of(path("many.jpg")), testing::AllOf(HasSubstr("many.jpg"), HasSubstr("scans")));
  {
    const WithLimits limits({.scans = 190});
    EXPECT_EQ(message_of(path("many.jpg")), "no error");
  }
  {
    // 190 scans of 32x32 pixels are more than 32 times 4096 pixels.
    const WithLimits limits({.pixels = 4096, .scans = 1000});
    EXPECT_THAT(message_of(path("many.jpg")), HasSubstr("scans"));
  }
}

TEST_F(Files, PicturesAreAsLargeAsIsAllowed) {
  save_image(gradient(40, 30), path("a.jpg"));
  save_image(gradient(40, 30), path("a.png"));
  for (const char* name : {"a.jpg", "a.png"}) {
    {
      const WithLimits limits({.pixels = 1199});
      EXPECT_THAT(message_of(path(name)),
                  testing::AllOf(HasSubstr("40x30"), HasSubstr("1199"), HasSubstr("--max-pixels")));
    }
    const WithLimits limits({.pixels = 1200});
    EXPECT_EQ(message_of(path(name)), "no error");
  }
}

// ISO 3309, as the PNG specification's annex D.
uint32_t crc_of(const uint8_t* bytes, size_t count) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < count; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return ~crc;
}

TEST_F(Files, APngThatClaimsMoreThanItCanHoldIsRefusedBeforeMemoryIsTaken) {
  std::vector<uint8_t> bytes = encode_png(gradient(4, 4));
  const auto put = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i)
      bytes[at + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (24 - 8 * i));
  };
  constexpr size_t kType = 12, kWidth = 16, kHeight = 20, kCrc = 29;  // of the IHDR chunk
  put(kWidth, 8000);
  put(kHeight, 8000);
  put(kCrc, crc_of(&bytes[kType], kCrc - kType));
  write_file_atomically(path("claim.png"), bytes);
  EXPECT_THAT(message_of(path("claim.png")), HasSubstr("it claims 8000x8000 pixels"));
}

TEST_F(Files, APictureIsARegularFile) {
  ASSERT_EQ(::mkfifo(path("pipe.jpg").c_str(), 0600), 0);
  for (const std::string& place : {path("pipe.jpg"), std::string("/dev/zero")})
    EXPECT_THAT(message_of(place), testing::AllOf(HasSubstr(place), HasSubstr("device or a pipe")));
}

}  // namespace
}  // namespace shrike::data
