#include "toolchain/data/loader.h"

#include "toolchain/data/image.h"

namespace shrike::data {

void for_each_image(const std::vector<std::string>& paths, int threads,
                    const std::function<void(size_t index, Image image)>& sink) {
  const size_t ahead = static_cast<size_t>(threads < 1 ? 1 : threads) * 2;
  in_order<Image>(
      paths.size(), threads, ahead, [&](size_t index) { return load_image(paths[index]); }, sink);
}

}  // namespace shrike::data
