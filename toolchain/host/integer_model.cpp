#include "toolchain/host/integer_model.h"

#include <cstdlib>
#include <optional>
#include <thread>

#include "runtime/chips/chip.h"
#include "runtime/kernels/kernels.h"
#include "toolchain/host/file_image.h"
#include "toolchain/host/package.h"
#include "toolchain/host/thread_pool.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"
#include "toolchain/system/reserved_memory.h"

namespace shrike::host {
namespace {

// Address space, not memory: enough for nearly every model that fits a chip, so that the first attempt
// succeeds. Packed weights take a few times the file's size.
constexpr uint64_t kFirstArena = uint64_t{64} << 20, kArenaAFileByte = 16;
constexpr uint64_t kSmallestArena = uint64_t{1} << 20;

bool is_to_be_had(uint64_t bytes) {
  try {
    ReservedMemory attempt(bytes);
  } catch (const Error&) {
    return false;
  }
  return true;
}

const KernelSet* choose_kernels(const IntegerOptions& options) {
  std::string isa = options.isa;
  const char* environment = std::getenv("SHRIKE_ISA");
  if (isa.empty() && environment != nullptr) isa = environment;
  if (isa.empty()) return best_kernels();
  if (const KernelSet* kernels = kernels_by_name(isa.c_str())) return kernels;
  std::string names;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    names += fmt::format("{}{}", i == 0 ? "" : ", ", kernels->isa);
  }
  fail("the instruction set '{}' is not available here; this machine has {} (option --isa or SHRIKE_ISA)",
       isa, names);
}

int thread_count(int wanted) {
  if (wanted > 0) return wanted;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : static_cast<int>(cores);
}

}  // namespace

struct IntegerModel::Impl {
  Impl(std::shared_ptr<const FileImage> image, std::string file_name, const IntegerOptions& wanted)
      : name(std::move(file_name)),
        options(wanted),
        shared_file(std::move(image)),
        file(*shared_file),
        pool(thread_count(options.threads)) {
    kernels = choose_kernels(options);
    require(file.verify());
    ModelOptions runtime_options;
    runtime_options.operators = &kAllOperators;
    if (const auto target = choose_target()) runtime_options.target = *target;
    runtime_options.force_target = options.force_target;
    runtime_options.accumulators = options.accumulators;
    runtime_options.keep = options.keep;
    runtime_options.kernels = kernels;
    runtime_options.workers = &pool;
    if (options.internal_bytes > 0) {
      internal = ReservedMemory(options.internal_bytes);
      runtime_options.internal = {internal.data(), options.internal_bytes};
    }
    load(runtime_options);
  }

  void require(const Status& status) const {
    if (status.ok()) return;
    std::string node;
    if (status.node >= 0) {
      node = file.node_name(status.node);
      const std::string type = file.node_type(status.node);
      if (!type.empty()) node += fmt::format("' of type '{}", type);
    }
    throw Error(describe(status, name, node));
  }

  // Says what the runtime would refuse in a full sentence. Nothing: the file's chip.
  std::optional<Target> choose_target() const {
    const std::string named = file.metadata("target");
    const Chip* chip = find_chip(named.c_str());
    if (options.target.empty()) {
      if (!named.empty() && chip == nullptr)
        fail(
            "'{}' is made for '{}', which is not a chip known here ({}); --target and --force-target name "
            "one",
            name, named, target_names());
      return std::nullopt;
    }
    const Target wanted = parse_target(options.target);
    if (!named.empty() && !options.force_target && (chip == nullptr || chip->target != wanted)) {
      fail(
          "'{}' is made for {}, but {} was asked for; leave --target out, or add --force-target to compute "
          "as {} "
          "all the same",
          name, named, options.target, options.target);
    }
    return wanted;
  }

  void load(const ModelOptions& runtime_options) {
    const uint64_t limit = physical_memory();
    uint64_t size = std::min(limit, kFirstArena + kArenaAFileByte * file.bytes());
    while (size > kSmallestArena && !is_to_be_had(size)) size /= 2;
    for (;;) {
      arena = ReservedMemory(size);
      const Status status =
          model.load(file.data(), file.bytes(), arena.data(), arena.bytes(), runtime_options);
      if (status.code != StatusCode::kArenaTooSmall || status.needed > limit || size >= limit) {
        require(status);
        break;
      }
      const uint64_t generous = std::min(limit, std::max(2 * size, status.needed));
      size = is_to_be_had(generous) ? generous : std::max(size + size / 8, status.needed);
    }
    arena.shrink(model.memory().arena_bytes);
  }

  std::string name;
  IntegerOptions options;
  std::shared_ptr<const FileImage> shared_file;
  const FileImage& file;
  ReservedMemory arena, internal;
  ThreadPool pool;
  const KernelSet* kernels = nullptr;
  InspectableModel model;
};

IntegerOptions on_board(IntegerOptions options) {
  options.threads = 1;
  options.isa = kPairKernels.isa;
  return options;
}

IntegerModel::IntegerModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IntegerModel::IntegerModel(IntegerModel&&) noexcept = default;
IntegerModel::~IntegerModel() = default;

IntegerModel IntegerModel::open(const std::string& path, const IntegerOptions& options) {
  return from_bytes(read_model_file(path, options.model), path, options);
}

IntegerModel IntegerModel::from_bytes(std::vector<uint8_t> bytes, const std::string& name,
                                      const IntegerOptions& options) {
  return IntegerModel(std::make_unique<Impl>(std::make_shared<FileImage>(std::move(bytes)), name, options));
}

IntegerModel IntegerModel::on_board() const {
  return IntegerModel(
      std::make_unique<Impl>(impl_->shared_file, impl_->name, host::on_board(impl_->options)));
}

IntegerModel IntegerModel::again(int threads) const {
  IntegerOptions options = impl_->options;
  options.threads = threads;
  return IntegerModel(std::make_unique<Impl>(impl_->shared_file, impl_->name, options));
}

InspectableModel& IntegerModel::model() {
  return impl_->model;
}
const InspectableModel& IntegerModel::model() const {
  return impl_->model;
}
void IntegerModel::run() {
  impl_->require(impl_->model.run());
}
Target IntegerModel::target() const {
  return impl_->model.target();
}
bool IntegerModel::target_assumed() const {
  return impl_->model.target_assumed();
}
int IntegerModel::threads() const {
  return impl_->pool.threads();
}
std::string IntegerModel::isa() const {
  return impl_->kernels->isa;
}
const std::string& IntegerModel::name() const {
  return impl_->name;
}
std::vector<std::pair<std::string, std::string>> IntegerModel::metadata() const {
  return impl_->file.metadata();
}
std::string IntegerModel::node_attributes(int32_t node) const {
  return impl_->file.node_attributes(node);
}
std::vector<int64_t> IntegerModel::node_integers(int32_t node, const std::string& key) const {
  return impl_->file.node_integers(node, key);
}
std::vector<int64_t> IntegerModel::initializer_exponents(const std::string& tensor) const {
  return impl_->file.initializer_exponents(tensor);
}

uint64_t IntegerModel::file_bytes() const {
  return impl_->file.file_bytes();
}

std::string IntegerModel::file_sha256() const {
  return impl_->file.sha256();
}

}  // namespace shrike::host
