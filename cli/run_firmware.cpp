// shrike run-firmware: the same file and inputs on a bare RISC-V machine in QEMU and on this one, compared.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/firmware_output.h"
#include "cli/model_input.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "toolchain/data/image.h"
#include "toolchain/data/samples.h"
#include "toolchain/evaluate/detect.h"
#include "toolchain/host/file_image.h"
#include "toolchain/host/link_map.h"
#include "toolchain/host/op_list.h"
#include "toolchain/host/package.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/format.h"
#include "toolchain/support/outputs.h"
#include "toolchain/support/sha256.h"
#include "toolchain/system/command.h"

namespace shrike::cli {
namespace {

struct RunFirmwareArguments {
  std::string file, build = std::string(SHRIKE_SOURCE_DIR) + "/build-firmware";
  std::vector<std::string> files;   // a sample each, of a network with one input
  std::vector<std::string> inputs;  // NAME=FILE: one sample
  host::IntegerOptions options;
  std::string kernels = "pairs";
  int timeout = 600;
  bool layers = false, all_operators = false;
};

struct HostSample {
  std::string name;
  std::vector<FirmwareOutput> outputs;
  std::vector<Detection> detections;
};

std::vector<FirmwareOutput> outputs_of(const InspectableModel& model) {
  std::vector<FirmwareOutput> outputs;
  for (int32_t i = 0; i < model.output_count(); ++i) {
    const TensorView output = model.output(i);
    outputs.push_back({host::to_string(output.name), sha256(output.data, output.bytes)});
  }
  return outputs;
}

void append_word(std::vector<uint8_t>& bytes, uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(word >> shift));
}

// An input as firmware/qemu-virt/detect.cpp reads it: two words, then bytes padded to 4.
void append_record(std::vector<uint8_t>& bytes, uint32_t first, uint32_t second, const uint8_t* data,
                   size_t size) {
  append_word(bytes, first);
  append_word(bytes, second);
  bytes.insert(bytes.end(), data, data + size);
  while (bytes.size() % 4 != 0) bytes.push_back(0);
}

void append_picture(std::vector<uint8_t>& bytes, const data::Image& image) {
  append_record(bytes, static_cast<uint32_t>(image.width), static_cast<uint32_t>(image.height),
                image.pixels.data(), image.pixels.size());
}

void append_tensor(std::vector<uint8_t>& bytes, const TensorView& input) {
  append_record(bytes, 0, static_cast<uint32_t>(input.bytes), static_cast<const uint8_t*>(input.data),
                static_cast<size_t>(input.bytes));
}

void build(const RunFirmwareArguments& arguments, const std::string& target, uint64_t arena_bytes) {
  const std::string& folder = arguments.build;
  std::string output;
  const std::string configure = fmt::format(
      "cmake -S {} -B {} -G Ninja -DCMAKE_TOOLCHAIN_FILE={} -DCMAKE_BUILD_TYPE=Release -DSHRIKE_MODEL={} "
      "-DSHRIKE_PICTURES={} -DSHRIKE_OPS={} -DSHRIKE_TARGET={} -DSHRIKE_KERNELS={} "
      "-DSHRIKE_ARENA_BYTES={}",
      quoted(SHRIKE_SOURCE_DIR), quoted(folder),
      quoted(std::string(SHRIKE_SOURCE_DIR) + "/firmware/riscv32.cmake"), quoted(folder + "/model.espdl"),
      quoted(folder + "/pictures.bin"),
      arguments.all_operators ? "''" : quoted(folder + "/model_operators.cpp"), target, arguments.kernels,
      arena_bytes);
  if (run_command(configure, output) != 0 ||
      run_command(fmt::format("cmake --build {} --target detect", quoted(folder)), output) != 0) {
    fail(
        "the firmware can't be built in '{}' (Debian packages: gcc-riscv64-unknown-elf "
        "picolibc-riscv64-unknown-elf "
        "ninja-build):\n{}",
        folder, output);
  }
}

void run_in_qemu(const RunFirmwareArguments& arguments, size_t samples, FirmwareRun& run) {
  const std::string command = fmt::format(
      "timeout {} qemu-system-riscv32 -M virt -cpu rv32 -m 256M -nographic -monitor none -serial none -bios "
      "none "
      "-icount shift=0 -semihosting-config enable=on -kernel {} </dev/null",
      arguments.timeout, quoted(arguments.build + "/bin/detect.elf"));
  std::string output;
  const int status = run_command(command, output);
  if (status == 124)
    fail("the firmware was still running after {} s; --timeout gives it more", arguments.timeout);
  run = parse_firmware_output(output);
  if (status != 0 || run.pictures.size() != samples) {
    fail("the firmware ended with status {} (Debian package: qemu-system-misc):\n{}", status, output);
  }
}

// Returns whether everything is equal.
bool compare_outputs(const HostSample& host, const FirmwarePicture& firmware) {
  bool equal = host.outputs.size() == firmware.outputs.size();
  for (size_t i = 0; i < host.outputs.size(); ++i) {
    const std::string other = i < firmware.outputs.size() ? firmware.outputs[i].sha256 : "none";
    const bool same = host.outputs[i].sha256 == other;
    fmt::print("  {:<8} {}  {}\n", host.outputs[i].name, host.outputs[i].sha256,
               same ? "equal" : "DIFFERS: firmware has " + other);
    equal = equal && same;
  }
  return equal;
}

bool same_bits(const Detection& a, const Detection& b) {
  const auto equal = [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  };
  return a.category == b.category && equal(a.score, b.score) && equal(a.x1, b.x1) && equal(a.y1, b.y1) &&
         equal(a.x2, b.x2) && equal(a.y2, b.y2);
}

std::string in_words(const Detection& d, const std::vector<std::string>& names) {
  const size_t category = static_cast<size_t>(d.category);
  return fmt::format("{:<14} {:>6.3f} {:>6.1f} {:>6.1f} {:>6.1f} {:>6.1f}",
                     category < names.size() ? names[category] : "?", d.score, d.x1, d.y1, d.x2, d.y2);
}

bool compare_detections(const HostSample& host, const FirmwarePicture& firmware,
                        const std::vector<std::string>& names) {
  bool equal = host.detections.size() == firmware.detections.size();
  if (!equal)
    fmt::print("  firmware finds {} objects, the host {}\n", firmware.detections.size(),
               host.detections.size());
  for (size_t i = 0; i < std::min(host.detections.size(), firmware.detections.size()); ++i) {
    const bool same = same_bits(host.detections[i], firmware.detections[i]);
    fmt::print("  {}  {}\n", in_words(firmware.detections[i], names),
               same ? "equal" : "DIFFERS: host has " + in_words(host.detections[i], names));
    equal = equal && same;
  }
  return equal;
}

void print_layers(const FirmwareRun& run) {
  fmt::print("{:>5} {:<18} {:>12} {:>12} {:>7}  {:<18} {}\n", "node", "type", "instructions", "multiply-adds",
             "i/m", "filter", "name");
  for (const FirmwareLayer& layer : run.layers) {
    fmt::print("{:>5} {:<18} {:>12} {:>12} {:>7}  {:<18} {}\n", layer.node, layer.type, layer.instructions,
               layer.macs, layer.macs == 0 ? "" : fmt::format("{:.2f}", per_mac(layer)), layer.filter,
               layer.name);
  }
}

void print_work(const FirmwareRun& run) {
  const LayerSums sums = sum_layers(run.layers);
  const auto line = [](const char* what, const LayerSum& sum) {
    if (sum.macs == 0) return;
    fmt::print("  {:<38} {:>14} for {:>13} multiply-adds: {:.3f} each\n", what,
               format_count(sum.instructions), format_count(sum.macs),
               static_cast<double>(sum.instructions) / static_cast<double>(sum.macs));
  };
  fmt::print("instructions of the first picture: preprocess {}, network {}, decode {}\n",
             format_count(run.pictures[0].preprocess), format_count(run.pictures[0].network),
             format_count(run.pictures[0].decode));
  line("all convolutions", sums.convolutions);
  line("1x1 from 64 and more channels", sums.pointwise64);
  line("3x3 and larger", sums.spatial);
  line("depthwise", sums.depthwise);
  fmt::print("  {:<38} {:>14}\n", "other layers", format_count(sums.others.instructions));
}

void print_sizes(const RunFirmwareArguments& arguments, const FirmwareRun& run) {
  const std::string path = arguments.build + "/bin/detect.map";
  const host::LinkMap map = host::parse_link_map(read_text(path), path);
  const auto kib = [](uint64_t bytes) {
    return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  };
  const char* runtime = "libshrike_runtime.a";
  fmt::print(
      "runtime: code {}, constants {}; whole program: code {}; RAM beyond the arena {}, stack used {}\n",
      kib(map.bytes(runtime, host::kCodeSections)), kib(map.bytes(runtime, host::kConstantSections)),
      kib(map.bytes("", host::kCodeSections)), kib(map.bytes("", host::kRamSections) - run.arena_capacity),
      kib(run.stack));
  fmt::print(
      "arena: {} bytes needed on 32 bits of {} the host asks for; model {} bytes in read-only memory\n",
      run.arena_needed, run.arena_capacity, run.model_bytes);
}

void require_harmless_folder(const RunFirmwareArguments& arguments) {
  CommandFiles files{arguments.files, {}};
  files.reads.push_back(arguments.file);
  for (const auto& [name, path] : parse_inputs(arguments.inputs)) files.reads.push_back(path);
  for (const char* name : {"/model.espdl", "/pictures.bin", "/model_operators.cpp"})
    files.writes.push_back({arguments.build + name, "--build"});
  guard_outputs(files);
}

bool all_pictures(const std::vector<std::string>& files) {
  return !files.empty() && std::all_of(files.begin(), files.end(), [](const std::string& path) {
    return data::kind_of_file(path) == data::FileKind::kPicture;
  });
}

// What both machines get, and what this one makes of it in the chip's mode, with the firmware's limits.
struct Work {
  std::vector<uint8_t> inputs;
  std::vector<HostSample> expected;
  std::vector<std::string> class_names;
};

// A network that ends in a head: pictures, and the objects on them.
Work detect_on_host(const RunFirmwareArguments& arguments) {
  evaluate::DetectorOptions options;
  options.mode = DetectMode::kChip;
  options.integer = arguments.options;
  evaluate::Detector detector(arguments.file, options);
  Work work;
  work.class_names = detector.class_names().names;
  for (const std::string& path : arguments.files) {
    const data::Image image = data::load_image(path);
    append_picture(work.inputs, image);
    const evaluate::Results results = detector.detect(detector.prepare(image), detector.default_options());
    work.expected.push_back({path,
                             outputs_of(detector.integer_model()->model()),
                             {results.objects.begin(), results.objects.end()}});
  }
  return work;
}

using Files = std::map<std::string, std::string>;  // by input

// Samples as `shrike run` takes them; generated where no file is given.
std::vector<std::pair<std::string, Files>> samples_of(const RunFirmwareArguments& arguments,
                                                      const InspectableModel& model) {
  if (!arguments.inputs.empty())
    return {{fmt::format("{}", fmt::join(arguments.inputs, " ")), parse_inputs(arguments.inputs)}};
  if (arguments.files.empty()) return {{"generated input", {}}};
  if (model.input_count() != 1) {
    fail("'{}' has {} inputs: name each with --input NAME=FILE, or none for generated ones", arguments.file,
         model.input_count());
  }
  std::vector<std::pair<std::string, Files>> samples;
  for (const std::string& path : arguments.files)
    samples.push_back({path, {{host::to_string(model.input(0).name), path}}});
  return samples;
}

// Any network: its outputs. Pictures for the first input go to the firmware as they are, to be fitted there.
Work run_on_host(const RunFirmwareArguments& arguments, host::IntegerModel& file) {
  InspectableModel& model = file.model();
  Work work;
  for (const auto& [name, files] : samples_of(arguments, model)) {
    set_inputs(file, files, std::nullopt);
    for (int32_t i = 0; i < model.input_count(); ++i) {
      const auto given = files.find(host::to_string(model.input(i).name));
      if (i == 0 && given != files.end() && all_pictures({given->second})) {
        append_picture(work.inputs, data::load_image(given->second));
      } else {
        append_tensor(work.inputs, model.input(i));
      }
    }
    file.run();
    work.expected.push_back({name, outputs_of(model), {}});
  }
  return work;
}

void run(const RunFirmwareArguments& arguments) {
  require_harmless_folder(arguments);
  host::IntegerModel file = host::IntegerModel::open(arguments.file, arguments.options);
  report_on_file(file);
  Head head;
  const bool detects = find_head(file.model(), kAllHeads, &head).ok() && all_pictures(arguments.files);
  const Work work = detects ? detect_on_host(arguments) : run_on_host(arguments, file);

  make_folder(arguments.build);
  const host::FileImage model(host::read_model_file(arguments.file, arguments.options.model));
  write_file_atomically(arguments.build + "/model.espdl",
                        std::string_view(static_cast<const char*>(model.data()), model.bytes()));
  write_file_atomically(arguments.build + "/pictures.bin", work.inputs);
  write_file_atomically(arguments.build + "/model_operators.cpp", host::op_set_source(file.model()));
  // Tables and scratch of the firmware's kernels; pointers are twice as long here.
  host::IntegerOptions on_device = arguments.options;
  on_device.isa = arguments.kernels;
  on_device.threads = 1;
  const uint64_t arena_bytes =
      host::IntegerModel::open(arguments.file, on_device).model().memory().arena_bytes;
  build(arguments, host::target_name(file.target()), arena_bytes);
  FirmwareRun result;
  run_in_qemu(arguments, work.expected.size(), result);

  bool equal = true;
  for (size_t i = 0; i < work.expected.size(); ++i) {
    fmt::print("{}\n", work.expected[i].name);
    equal = compare_outputs(work.expected[i], result.pictures[i]) && equal;
    if (detects) equal = compare_detections(work.expected[i], result.pictures[i], work.class_names) && equal;
  }
  if (arguments.layers) print_layers(result);
  print_work(result);
  print_sizes(arguments, result);
  fmt::print("{}\n", !equal    ? "firmware and host DIFFER"
                     : detects ? "firmware and host agree on every output tensor and every detection"
                               : "firmware and host agree on every output tensor");
  if (!equal) throw Exit{1};
}

void add_run_firmware(Command& app) {
  auto arguments = std::make_shared<RunFirmwareArguments>();
  Command* command = app.add_subcommand(
      "run-firmware", "Build the bare-metal program, run it in QEMU and compare it with this machine");
  command->footer(
      "Example:\n"
      "  shrike run-firmware yolo11n.espdl street.jpg\n"
      "  shrike run-firmware keywords.espdl yes.npy no.npy\n"
      "  shrike run-firmware stereo.espdl --input left=a.jpg --input right=b.jpg\n"
      "Any network runs; where it ends in a head and gets pictures, its objects are compared, too.\n"
      "Needs the source tree this program was built from, the RISC-V compiler and QEMU. The exit status is "
      "1\n"
      "when an output tensor or a detection differs.");
  command->add_option("FILE", arguments->file, "Integer model (.espdl)")->required();
  command->add_option("SAMPLE", arguments->files,
                      "Pictures, .npy arrays or raw tensors for the network's input; none: generated");
  command->add_option("--input", arguments->inputs,
                      "NAME=FILE: one of several inputs as picture, array or raw tensor; repeatable");
  command->add_option("--build", arguments->build,
                      "Folder to build in (default: build-firmware in the source tree)");
  command->add_option("--timeout", arguments->timeout, "Seconds that QEMU may take (default: 600)")
      ->check(between(1, 100000));
  command
      ->add_option("--kernels", arguments->kernels,
                   "Inner loops of the firmware: pairs (two products in one multiplication) or portable "
                   "(default: pairs)")
      ->check(one_of({"pairs", "portable"}));
  add_picture_options(*command);
  command->add_flag("--layers", arguments->layers, "Print instructions and multiply-adds of every layer");
  command->add_flag("--all-operators", arguments->all_operators,
                    "Link every operator and every decoder instead of the model's, to compare sizes");
  add_model_options(*command, arguments->options);
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration run_firmware_registration("run-firmware", 55, add_run_firmware);

}  // namespace
}  // namespace shrike::cli
