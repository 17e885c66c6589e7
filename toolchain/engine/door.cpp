// Finds and opens the float module, and hands every call through.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <system_error>
#include <thread>
#include <vector>

#include "toolchain/engine/float_path.h"
#include "toolchain/engine/module.h"
#include "toolchain/support/error.h"
#include "toolchain/system/library.h"

namespace shrike::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "SHRIKE_FLOAT_MODULE";
constexpr const char* kFile = "libshrike_float.so";

// Where the module may be: where the environment says, and nowhere else then; beside the program (bin/ and
// lib/shrike/, in the build tree as in an installation); where this build was to be installed, for other
// programs that use the library.
std::vector<fs::path> places() {
  const char* named = std::getenv(kVariable);
  if (named != nullptr && *named != '\0') return {named};
  std::vector<fs::path> found;
  const fs::path folder = program_folder();
  if (!folder.empty()) found.push_back(folder.parent_path() / "lib/shrike" / kFile);
  found.push_back(fs::path(SHRIKE_MODULE_FOLDER) / kFile);
  return found;
}

[[noreturn]] void refuse(const std::string& reason) {
  fail(
      "this needs the float engine, and {}; install the package shrike-float, or build Shrike where LibTorch "
      "is "
      "(Debian: libtorch-dev), or name the module with {}=.../{}",
      reason, kVariable, kFile);
}

// Libraries behind LibTorch look at the machine while they are loaded, and end the process when it does not
// answer: libgcrypt aborts when /proc/sys/crypto can't be opened, libcpuinfo follows a null pointer when
// reading /sys/devices/system/cpu fails half-way.
constexpr const char* kNotLoaded =
    "shrike: the float engine's libraries can't be loaded, because /proc or /sys does not answer as it "
    "should; "
    "mount both, and look whether files can be opened and memory be had\n";

// LibTorch asks for the processor in the middle of the work otherwise, and fails there in words of its own.
void look_at_processor(const Library& library) {
  auto* initialize = library.find<bool()>("cpuinfo_initialize");
  if (initialize != nullptr && !initialize())
    fail(
        "the float engine can't tell what processor this is, because /proc/cpuinfo can't be read; mount "
        "/proc");
}

// LibTorch makes a thread a processor when it is first told how many to use, and waits for ever for one that
// can't be made: tried before, so that a limit is a sentence.
void require_threads() {
  std::latch end(1);
  std::vector<std::thread> threads;
  const unsigned wanted = std::thread::hardware_concurrency();
  try {
    for (unsigned i = 1; i < wanted; ++i) threads.emplace_back([&end] { end.wait(); });
  } catch (const std::system_error&) {  // told below, once the others have ended
  }
  end.count_down();
  for (std::thread& thread : threads) thread.join();
  if (wanted > 1 && threads.size() + 1 < wanted) {
    fail(
        "the float engine needs a thread for each of {} processors, and the system makes no more than {}; "
        "raise the "
        "limit of processes (ulimit -u, or the container's)",
        wanted, threads.size() + 1);
  }
}

Library opened;  // the module

const FloatModule& open_module() {
  if (!has_modules())
    fail("this needs the float engine, which Shrike has on Linux only; make the .espdl file there");
  const std::vector<fs::path> tried = places();
  const auto found = std::find_if(tried.begin(), tried.end(), [](const fs::path& place) {
    std::error_code error;
    return fs::exists(place, error);
  });
  if (found == tried.end())
    refuse(fmt::format("its module is not there (looked for '{}')", tried.front().generic_string()));
  const std::string path = found->string();
  const LoadingGuard guard(kNotLoaded);
  std::string why;
  const Library library(path, why);
  if (!library.opened()) refuse(fmt::format("'{}' can't be loaded ({})", path, why));
  auto* entry = library.find<decltype(shrike_float_module)>("shrike_float_module");
  if (entry == nullptr) refuse(fmt::format("'{}' is no module of Shrike", path));
  const FloatModule& module = *entry();
  const std::string expected = module_identity();
  if (module.identity != expected) {
    refuse(
        fmt::format("'{}' is of another build (expected '{}', found '{}')", path, expected, module.identity));
  }
  look_at_processor(library);
  opened = library;
  return module;
}

}  // namespace

std::string float_path() {
  float_module();
  auto* path = opened.find<const char*()>("shrike_float_path");
  return path == nullptr ? "unknown" : path();
}

const FloatModule& float_module() {
  static const FloatModule& module = open_module();
  return module;
}

void require_engine() {
  float_module();
}

Engine::Engine(const graph::Graph& graph, const EngineOptions& options)
    : execution_(float_module().engine->prepare(graph, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

std::map<std::string, Array> Engine::run(const std::map<std::string, Array>& inputs,
                                         const std::vector<std::string>& wanted) {
  return execution_->run(inputs, wanted);
}

void Engine::observe(const std::map<std::string, Array>& inputs,
                     const std::function<void(const TensorData&)>& observer) {
  execution_->observe(inputs, observer);
}

std::map<std::string, Array> Engine::run_range(int first, int last,
                                               const std::map<std::string, Array>& values,
                                               const std::vector<std::string>& wanted) {
  return execution_->run_range(first, last, values, wanted);
}

void set_threads(int count) {
  [[maybe_unused]] static const bool tried = (require_threads(), true);
  float_module().engine->set_threads(count);
  [[maybe_unused]] static const bool checked = (float_module().engine->check(), true);
}

GramAccumulator::GramAccumulator(const ConvSpec& spec, int64_t in_channels, int64_t rows_per_image)
    : sums_(float_module().linalg->gram_sums(spec, in_channels, rows_per_image)) {}
GramAccumulator::~GramAccumulator() = default;
GramAccumulator::GramAccumulator(GramAccumulator&&) noexcept = default;

void GramAccumulator::add(const StridedValues& images) {
  sums_->add(images);
}
int64_t GramAccumulator::size() const {
  return sums_->size();
}
const std::vector<double>& GramAccumulator::triangles() const {
  return sums_->triangles();
}
std::vector<double> GramAccumulator::mean() const {
  return sums_->mean();
}
int64_t GramAccumulator::rows() const {
  return sums_->rows();
}

std::vector<double> cholesky_inverse_upper(std::vector<double> h, int64_t n, double damping) {
  return float_module().linalg->cholesky_inverse_upper(std::move(h), n, damping);
}

std::unique_ptr<DifferentiableNetwork> make_differentiable(const graph::Graph& graph,
                                                           const GradientOptions& options) {
  return float_module().gradients->differentiate(graph, options);
}

std::unique_ptr<Collective> meet(const Meeting& meeting) {
  return float_module().collective->meet(meeting);
}

}  // namespace shrike::engine
