// How fast one network runs, against what the machine can do: every instruction set, one and more threads, a
// table of layers with oneDNN on the same shapes, and (with --onnx) the LibTorch float engine in the same
// run.
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench/machine.h"
#if defined(SHRIKE_BENCH_ONEDNN)
#include <omp.h>

#include "bench/onednn.h"
#endif
#include "kernels/kernels.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/import/import.h"
#include "toolchain/support/error.h"

namespace shrike::bench {
namespace {

struct Settings {
  std::string file, onnx, target, isa;
  int runs = 20;
  std::vector<int> threads = {1, 2};
  bool layers = true;
  bool busy = false;
};

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Times {
  std::vector<double> wall, processor;  // milliseconds of each run; the processor's of all threads together

  void measure(const std::function<void()>& work) {
    const std::clock_t start = std::clock();
    wall.push_back(milliseconds(work));
    processor.push_back(1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  double best() const { return *std::min_element(wall.begin(), wall.end()); }
};

void fill_inputs(InspectableModel& model) {
  std::mt19937 random(1);
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    uint8_t* bytes = static_cast<uint8_t*>(input.data);
    for (uint64_t k = 0; k < input.bytes; ++k) bytes[k] = static_cast<uint8_t>(random() & 0x7f);
  }
}

uint64_t total_macs(const InspectableModel& model) {
  uint64_t macs = 0;
  for (int32_t i = 0; i < model.node_count(); ++i) macs += model.node_macs(i);
  return macs;
}

host::IntegerModel open_model(const Settings& settings, const std::string& isa, int threads) {
  host::IntegerOptions options;
  options.target = settings.target;
  options.isa = isa;
  options.threads = threads;
  return host::IntegerModel::open(settings.file, options);
}

Times time_network(const Settings& settings, const std::string& isa, int threads, int runs) {
  host::IntegerModel model = open_model(settings, isa, threads);
  Times times;
  for (int i = 0; i <= runs; ++i) {
    fill_inputs(model.model());
    if (i == 0) {
      model.run();  // touches the memory
    } else {
      times.measure([&] { model.run(); });
    }
  }
  return times;
}

struct Share {
  double time = 0;
  uint64_t macs = 0;
  int count = 0;
};

std::string text(Text value) {
  return std::string(value.data, value.size);
}

// A convolution of group 1 with at least 64 channels on both sides.
bool is_large_convolution(const InspectableModel& model, int32_t node) {
  if (text(model.node_type(node)) != "Conv") return false;
  const Shape filter = model.node_input(node, 1).shape;
  return filter.rank == 4 && filter.dims[2] >= 64 && filter.dims[3] >= 64;
}

#if defined(SHRIKE_BENCH_ONEDNN)

// The geometry of a convolution with an 8-bit filter [KH, KW, C, N], whose stride and padding follow from the
// shapes.
bool geometry_of(const InspectableModel& model, int32_t node, ConvGeometry* geometry) {
  const std::string type = text(model.node_type(node));
  if (type != "Conv" || model.node_input_count(node) < 2) return false;
  const TensorView input = model.node_input(node, 0), filter = model.node_input(node, 1);
  const Shape &in = input.shape, &out = model.node_output(node, 0).shape;
  if (input.type != DataType::kInt8 || in.rank != 4 || filter.shape.rank != 4 || in.dims[0] != 1)
    return false;
  ConvGeometry g{};
  g.in_h = in.dims[1], g.in_w = in.dims[2], g.in_c = in.dims[3];
  g.out_h = out.dims[1], g.out_w = out.dims[2], g.out_c = out.dims[3];
  g.kernel_h = filter.shape.dims[0], g.kernel_w = filter.shape.dims[1];
  g.dilation_h = g.dilation_w = 1;
  g.stride_h = std::max(1, static_cast<int>((g.in_h + g.out_h / 2) / g.out_h));
  g.stride_w = std::max(1, static_cast<int>((g.in_w + g.out_w / 2) / g.out_w));
  g.pad_top = std::max(0, ((g.out_h - 1) * g.stride_h + g.kernel_h - g.in_h + 1) / 2);
  g.pad_left = std::max(0, ((g.out_w - 1) * g.stride_w + g.kernel_w - g.in_w + 1) / 2);
  const uint64_t outputs = static_cast<uint64_t>(g.out_h) * g.out_w * g.out_c;
  g.depthwise = g.in_c == g.out_c && g.in_c > 1 &&
                model.node_macs(node) == outputs * static_cast<uint64_t>(g.kernel_h) * g.kernel_w;
  *geometry = g;
  return true;
}

// Every convolution by oneDNN: milliseconds, the best of `runs`; 0 for other nodes. What it reads and writes
// is in the cache as far as it fits, because it runs again and again.
std::vector<double> time_onednn(const InspectableModel& model, int threads, int runs) {
  std::vector<double> times(static_cast<size_t>(model.node_count()), 0);
  omp_set_num_threads(threads);
  for (int32_t node = 0; node < model.node_count(); ++node) {
    ConvGeometry geometry;
    if (!geometry_of(model, node, &geometry)) continue;
    OneDnnConvolution convolution(geometry);
    double& best = times[static_cast<size_t>(node)];
    for (int run = 0; run <= runs; ++run) {
      const double time = milliseconds([&] { convolution.run(); });
      best = run <= 1 ? time : std::min(best, time);  // the first one warms up
    }
  }
  return times;
}

#else

std::vector<double> time_onednn(const InspectableModel& model, int, int) {
  return std::vector<double>(static_cast<size_t>(model.node_count()), 0);
}

#endif

void print_layers(const Settings& settings, const std::string& isa, int threads, double peak) {
  host::IntegerModel hosted = open_model(settings, isa, threads);
  InspectableModel& model = hosted.model();
  std::vector<double> times(static_cast<size_t>(model.node_count()), 1e9);
  for (int run = 0; run <= settings.runs; ++run) {
    fill_inputs(model);
    for (int32_t node = 0; node < model.node_count(); ++node) {
      const double time = milliseconds([&] { (void)model.run_node(node); });
      if (run > 0) times[static_cast<size_t>(node)] = std::min(times[static_cast<size_t>(node)], time);
    }
  }
  fmt::print("\nLayers, {} on {} thread{}, best of {}\n", isa, threads, threads == 1 ? "" : "s",
             settings.runs);
  const std::vector<double> onednn = time_onednn(model, threads, settings.runs);
  fmt::print("{:>9}  {:>9}  {:>8}  {:>6}  {:>9}  {:>5}  {:<18} {:<16} {}\n", "ms", "MMAC", "GMAC/s", "peak",
             "oneDNN ms", "speed", "type", "output", "name");
  std::map<std::string, Share> by_type;
  Share large, compared;
  double sum = 0, compared_time = 0;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    const double time = times[static_cast<size_t>(node)];
    const uint64_t macs = model.node_macs(node);
    const Shape& shape = model.node_output(node, 0).shape;
    std::string dims;
    for (int32_t i = 0; i < shape.rank; ++i) dims += fmt::format("{}{}", i == 0 ? "" : "x", shape.dims[i]);
    const double rate = 1e-6 * static_cast<double>(macs) / time;
    const std::string type = text(model.node_type(node));
    const double theirs = onednn[static_cast<size_t>(node)];
    const auto number = [](bool known, const char* format, double value) {
      return known ? fmt::format(fmt::runtime(format), value) : std::string("-");
    };
    fmt::print("{:9.4f}  {:>9}  {:>8}  {:>6}  {:>9}  {:>5}  {:<18} {:<16} {}\n", time,
               number(macs > 0, "{:.2f}", 1e-6 * static_cast<double>(macs)), number(macs > 0, "{:.1f}", rate),
               number(macs > 0, "{:.1f}%", 100 * rate / peak), number(theirs > 0, "{:.4f}", theirs),
               number(theirs > 0, "{:.2f}", theirs / time), type, dims, text(model.node_name(node)));
    if (theirs > 0) {
      compared.time += time;
      compared_time += theirs;
      ++compared.count;
    }
    for (Share* share : {&by_type[type], is_large_convolution(model, node) ? &large : nullptr}) {
      if (share == nullptr) continue;
      share->time += time;
      share->macs += macs;
      ++share->count;
    }
    sum += time;
  }
  fmt::print("\n{:>9}  {:>6}  {:>5}  {:>6}  type\n", "ms", "share", "nodes", "peak");
  std::vector<std::pair<std::string, Share>> types(by_type.begin(), by_type.end());
  std::sort(types.begin(), types.end(),
            [](const auto& a, const auto& b) { return a.second.time > b.second.time; });
  for (const auto& [type, share] : types) {
    const double part = 1e-6 * static_cast<double>(share.macs) / share.time / peak;
    fmt::print("{:9.3f}  {:5.1f}%  {:5}  {:>6}  {}\n", share.time, 100 * share.time / sum, share.count,
               share.macs > 0 ? fmt::format("{:.1f}%", 100 * part) : "-", type);
  }
  if (large.count > 0) {
    fmt::print("{:9.3f}  {:5.1f}%  {:5}  {:5.1f}%  convolutions with 64 and more channels in and out\n",
               large.time, 100 * large.time / sum, large.count,
               100 * 1e-6 * static_cast<double>(large.macs) / large.time / peak);
  }
  if (compared.count > 0) {
    fmt::print("{} convolutions: {:.3f} ms, oneDNN {:.3f} ms, {:.2f} times its speed\n", compared.count,
               compared.time, compared_time, compared_time / compared.time);
  }
}

Times time_float_engine(const Settings& settings, int threads) {
  graph::Graph graph = graph::import_model(settings.onnx);
  graph::prepare(graph, {});
  engine::set_threads(threads);
  engine::Engine engine(graph);
  std::map<std::string, engine::Array> inputs;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (const std::string& name : graph.inputs) {
    engine::Array array;
    array.shape = graph.tensor(name).shape;
    array.values.resize(static_cast<size_t>(graph.tensor(name).elements()));
    for (float& value : array.values) value = uniform(random);
    inputs[name] = std::move(array);
  }
  Times times;
  for (int i = 0; i <= settings.runs; ++i) {
    if (i == 0) {
      (void)engine.run(inputs);
    } else {
      times.measure([&] { (void)engine.run(inputs); });
    }
  }
  return times;
}

void print_row(const std::string& what, int threads, const Times& times, double gmacs, double peak) {
  const double rate = gmacs / times.best() * 1e3;
  fmt::print("{:<12} {:>7}  {:9.2f}  {:9.2f}  {:9.2f}  {:8.1f}  {}\n", what, threads, median(times.wall),
             times.best(), median(times.processor), rate,
             peak > 0 ? fmt::format("{:5.1f}%", 100 * rate / peak) : "    -");
}

// A process that takes all of a core's time while it lives; on core 0 when `pinned`, else wherever it is put.
class BusyProcess {
 public:
  explicit BusyProcess(bool pinned) : process_(::fork()) {
    if (process_ != 0) return;
    if (pinned) {
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(0, &cores);
      ::sched_setaffinity(0, sizeof cores, &cores);
    }
    const pid_t parent = ::getppid();
    for (unsigned i = 0;; ++i) {
      asm volatile("" : "+r"(i));                                    // so that the loop stays
      if (i % (1u << 24) == 0 && ::getppid() != parent) ::_exit(0);  // never outlives the measurement
    }
  }
  ~BusyProcess() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  BusyProcess(const BusyProcess&) = delete;
  BusyProcess& operator=(const BusyProcess&) = delete;

 private:
  pid_t process_;
};

void time_beside_busy_processes(const Settings& settings, const std::string& isa, double gmacs) {
  for (const bool pinned : {false, true}) {
    fmt::print("\nBeside a busy process{}\n", pinned ? " pinned to a core" : "");
    for (int threads : settings.threads) {
      const BusyProcess busy(pinned);
      print_row(isa, threads, time_network(settings, isa, threads, settings.runs), gmacs, 0);
    }
  }
}

void run(const Settings& settings) {
  const std::string best = settings.isa.empty() ? best_kernels()->isa : settings.isa;
  fmt::print("Machine: clock {:.2f} GHz (time stamp {:.2f} GHz), best instruction set {}\n", clock_ghz(),
             timestamp_ghz(), best_kernels()->isa);
  std::map<int, Peak> peaks;
  for (int threads : settings.threads) {
    peaks[threads] = multiply_add_peak(best, threads);
    fmt::print("Multiply-add peak, {} thread{}: {:.1f} GMAC/s ({})\n", threads, threads == 1 ? "" : "s",
               peaks[threads].gmacs, peaks[threads].instruction);
  }
  const double gmacs = 1e-9 * static_cast<double>(total_macs(open_model(settings, best, 1).model()));
  fmt::print("Network: {}, {:.3f} GMAC\n\n", settings.file, gmacs);
  fmt::print("{:<12} {:>7}  {:>9}  {:>9}  {:>9}  {:>8}  {:>6}\n", "", "threads", "median ms", "best ms",
             "cpu ms", "GMAC/s", "peak");
  std::map<int, Times> integer;
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    if (!settings.isa.empty() && settings.isa != kernels->isa) continue;
    for (int threads : settings.threads) {
      const int runs = i == 0 ? std::min(settings.runs, 3) : settings.runs;
      const Times times = time_network(settings, kernels->isa, threads, runs);
      print_row(kernels->isa, threads, times, gmacs, peaks[threads].gmacs);
      if (kernels->isa == best) integer[threads] = times;
    }
  }
  if (!settings.onnx.empty()) {
    for (int threads : settings.threads) {
      const Times times = time_float_engine(settings, threads);
      print_row("LibTorch", threads, times, gmacs, 0);
      const Times& ours = integer[threads];
      fmt::print(
          "{:<12} {:>7}  {:.2f} times faster than float (median; best {:.2f}, processor time {:.2f})\n", best,
          threads, median(times.wall) / median(ours.wall), times.best() / ours.best(),
          median(times.processor) / median(ours.processor));
    }
  }
  if (settings.busy) time_beside_busy_processes(settings, best, gmacs);
  if (settings.layers)
    print_layers(settings, best, settings.threads.back(), peaks[settings.threads.back()].gmacs);
}

}  // namespace
}  // namespace shrike::bench

int main(int argc, char** argv) {
  shrike::bench::Settings settings;
  CLI::App app("Times one network on every instruction set of this machine");
  app.add_option("FILE", settings.file, "network (.espdl)")->required();
  app.add_option("--onnx", settings.onnx, "the float model, run by LibTorch for comparison");
  app.add_option("--target", settings.target, shrike::host::target_names() + ", when the file does not say");
  app.add_option("--isa", settings.isa, "this instruction set only (default: every one)");
  app.add_option("--runs", settings.runs, "runs per measurement")->check(CLI::PositiveNumber);
  app.add_option("--threads", settings.threads, "thread counts")->delimiter(',');
  app.add_flag("--layers,!--no-layers", settings.layers, "print the table of layers");
  app.add_flag("--busy", settings.busy, "time it again beside another process that takes a whole core");
  CLI11_PARSE(app, argc, argv);
  try {
    shrike::bench::run(settings);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_network: {}\n", error.what());
    return 1;
  }
  return 0;
}
