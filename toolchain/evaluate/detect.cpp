#include "toolchain/evaluate/detect.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "shrike/image.h"
#include "toolchain/data/loader.h"
#include "toolchain/evaluate/backend.h"
#include "toolchain/host/package.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::evaluate {
namespace {

bool is_espdl(const std::vector<uint8_t>& bytes) {
  return (bytes.size() >= 4 && bytes[0] == 'E' && bytes[1] == 'D' && bytes[2] == 'L') ||
         host::is_package(bytes);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// A damaged file is still reported as what its name says.
std::unique_ptr<Detector::Backend> open(const std::string& path, const DetectorOptions& options) {
  if (is_espdl(read_file(path)) || ends_with(path, ".espdl")) {
    if (options.size.height != 0 || options.size.width != 0) {
      fail("{}: the input size of an .espdl file is fixed when it is made; leave --imgsz out", path);
    }
    return open_integer(path, options);
  }
  if (!options.integer.target.empty()) {
    fail("{}: a target belongs to an .espdl file, this is a float model; leave --target out", path);
  }
  if (!options.integer.model.empty()) fail("'{}' is no package of several models; leave --model out", path);
  return open_float(path, options);
}

struct Ready {
  Picture picture;
  Prepared prepared;
  std::string error;
};

// One detect_all().
struct Run {
  const std::vector<std::string>& paths;
  const RunOptions& options;
  const std::function<void(Picture)>& sink;

  Ready load(const Detector& detector, size_t index) const {
    Ready ready;
    ready.picture.index = index;
    try {
      data::Image image = data::load_image(paths[index]);
      ready.picture.width = image.width;
      ready.picture.height = image.height;
      ready.prepared = detector.prepare(image);
      if (options.keep_images) ready.picture.image = std::move(image);
    } catch (const Error& error) {
      if (!options.on_error) throw;
      ready.error = error.what();
    }
    return ready;
  }

  void detect(Detector& detector, Ready& ready) const {
    if (ready.error.empty()) ready.picture.results = detector.detect(ready.prepared, options.detect);
  }

  void tell(Ready ready) const {
    if (!ready.error.empty()) return options.on_error(ready.picture.index, ready.error);
    sink(std::move(ready.picture));
  }

  void picture_by_picture(Detector& detector) const {
    constexpr size_t kAhead = 3;
    data::in_order<Ready>(
        paths.size(), 1, kAhead, [&](size_t index) { return load(detector, index); },
        [&](size_t, Ready ready) {
          detect(detector, ready);
          tell(std::move(ready));
        });
  }

  void pictures_at_a_time(std::vector<Detector>& team) const {
    std::mutex mutex;
    std::vector<Detector*> idle;
    for (Detector& member : team) idle.push_back(&member);
    const auto make = [&](size_t index) {
      Detector* mine = nullptr;
      {
        const std::lock_guard lock(mutex);
        mine = idle.back();
        idle.pop_back();
      }
      // Given back also when this picture ends the run: another worker may be on its way to the next one.
      const std::unique_ptr<Detector, std::function<void(Detector*)>> borrowed(mine, [&](Detector* member) {
        const std::lock_guard lock(mutex);
        idle.push_back(member);
      });
      Ready ready = load(*mine, index);
      detect(*mine, ready);
      ready.prepared = {};
      return ready;
    };
    data::in_order<Ready>(paths.size(), static_cast<int>(team.size()), 2 * team.size(), make,
                          [&](size_t, Ready ready) { tell(std::move(ready)); });
  }
};

}  // namespace

ImagePlacement placement_of(const data::Placement& place, const data::Image& image) {
  return {1 / place.scale_x, 1 / place.scale_y, place.left, place.top, image.width, image.height};
}

Task task_of(HeadKind kind) {
  switch (kind) {
    case HeadKind::kKeyPoints:
      return Task::kKeyPoints;
    case HeadKind::kMasks:
      return Task::kMasks;
    case HeadKind::kRotatedBoxes:
      return Task::kRotatedBoxes;
    default:
      return Task::kBoxes;
  }
}

ImagePlacement preprocess_into(const data::Image& image, const PreprocessOptions& options, Rounding rounding,
                               TensorView input, std::vector<uint8_t>& bytes) {
  bytes.resize(static_cast<size_t>(input.shape.elements()) * size_of(input.type));
  input.data = bytes.data();
  input.bytes = bytes.size();
  ImagePlacement placement;
  const ImageView view{image.pixels.data(), image.width, image.height, PixelFormat::kRgb888};
  const Status status = preprocess(view, options, rounding, input, &placement);
  if (!status.ok())
    fail("a picture of {}x{} can't be given to the network: {}", image.width, image.height, status.detail);
  return placement;
}

Detector::Detector(const std::string& path, const DetectorOptions& options)
    : mode_(options.mode), backend_(open(path, options)) {}
Detector::Detector(DetectMode mode, std::unique_ptr<Backend> backend)
    : mode_(mode), backend_(std::move(backend)) {}
Detector::Detector(Detector&&) noexcept = default;
Detector::~Detector() = default;

Prepared Detector::prepare(const data::Image& image) const {
  return backend_->prepare(image, mode_);
}

namespace {

void require(const Status& status, const std::string& path) {
  if (!status.ok()) fail("{}: the outputs are not a head that can be decoded: {}", path, status.detail);
}

std::vector<ClassScore> best_classes(const Outputs& outputs, const Detector::Backend& backend, int count) {
  std::vector<ClassScore> classes(static_cast<size_t>(std::max(count, 1)));
  int32_t found = 0;
  require(decode_classes(outputs.classes, backend.softmax, -std::numeric_limits<float>::infinity(),
                         classes.data(), static_cast<int32_t>(classes.size()), &found),
          backend.path);
  classes.resize(static_cast<size_t>(found));
  return classes;
}

}  // namespace

Results Detector::detect(const Prepared& prepared, const DetectOptions& options) {
  const Outputs outputs = backend_->run(prepared);
  Results results;
  if (backend_->task == Task::kClasses) {
    results.classes = best_classes(outputs, *backend_, options.max_detections);
    return results;
  }
  const Head& head = outputs.head;
  DetectOptions own = options;
  own.mode = mode_;
  backend_->scratch.resize(detect_scratch_bytes(own));
  std::vector<shrike::Detection> detections(static_cast<size_t>(std::max(own.max_detections, 0)));
  int32_t count = 0;
  require(decode_detections(head, prepared.placement, own, backend_->scratch.data(), backend_->scratch.size(),
                            detections.data(), &count),
          backend_->path);
  for (int32_t i = 0; i < count; ++i) {
    Found found{detections[static_cast<size_t>(i)], {}, {}, {}};
    if (backend_->task == Task::kKeyPoints) {
      found.points.resize(static_cast<size_t>(head.key_points));
      require(decode_key_points(head, found, prepared.placement, mode_, found.points.data()), backend_->path);
    }
    if (backend_->task == Task::kMasks && head.prototypes.type != DataType::kUndefined) {
      backend_->mask_scratch.resize(mask_scratch_bytes(head));
      found.area = mask_area(found, mode_);
      found.mask.resize(static_cast<size_t>(found.area.width) * static_cast<size_t>(found.area.height));
      require(decode_mask(head, found, prepared.placement, mode_, backend_->mask_scratch.data(),
                          backend_->mask_scratch.size(), found.mask.data(), found.mask.size()),
              backend_->path);
    }
    results.objects.push_back(std::move(found));
  }
  return results;
}

DetectOptions Detector::default_options() const {
  if (mode_ == DetectMode::kEvaluation) return evaluation_options();
  DetectOptions options;
  options.max_candidates = evaluation_options().max_candidates;  // a PC has the memory
  return options;
}

const data::InputSpec& Detector::input() const {
  return backend_->input;
}
Task Detector::task() const {
  return backend_->task;
}
int Detector::key_points() const {
  return backend_->key_points;
}
const ClassNames& Detector::class_names() const {
  return backend_->class_names;
}
const host::IntegerModel* Detector::integer_model() const {
  return backend_->integer_model();
}
std::string Detector::description() const {
  return backend_->description();
}

std::vector<Detector> Detector::on_one_thread_each() const {
  std::vector<Detector> team;
  const int threads = integer_model() == nullptr ? 1 : integer_model()->threads();
  for (int i = 0; threads > 1 && i < threads; ++i) {
    std::unique_ptr<Backend> backend = backend_->again();
    if (backend == nullptr) return {};
    team.push_back(Detector(mode_, std::move(backend)));
  }
  return team;
}

void Detector::add_counts(const Detector& other) {
  if (integer_model() == nullptr || other.integer_model() == nullptr) return;
  backend_->integer_model()->model().add_saturated(other.integer_model()->model());
}

void detect_all(Detector& detector, const std::vector<std::string>& paths, const RunOptions& options,
                const std::function<void(Picture)>& sink) {
  Run run{paths, options, sink};
  const size_t threads =
      detector.integer_model() == nullptr ? 1 : static_cast<size_t>(detector.integer_model()->threads());
  std::vector<Detector> team;
  if (paths.size() >= threads) team = detector.on_one_thread_each();
  if (team.empty()) {
    run.picture_by_picture(detector);
  } else {
    run.pictures_at_a_time(team);
    for (const Detector& member : team) detector.add_counts(member);
  }
}

}  // namespace shrike::evaluate
