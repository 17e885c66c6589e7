#include "toolchain/engine/collective.h"

#include "toolchain/engine/module.h"
#include "toolchain/support/error.h"

#ifdef SHRIKE_GLOO
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "toolchain/engine/guarded.h"
#endif

namespace shrike::engine {
namespace {

#ifdef SHRIKE_GLOO
constexpr std::chrono::minutes kPatience(30);  // with a process that evaluates, say

// torchrun keeps the store itself, in its own process, and numbers its restarts (LibTorch's env://
// rendezvous).
bool store_is_elsewhere() {
  const char* said = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  return said != nullptr && std::string(said) == "True";
}
std::string prefix() {
  const char* attempt = std::getenv("TORCHELASTIC_RESTART_COUNT");
  return store_is_elsewhere() && attempt != nullptr ? fmt::format("/worker/attempt_{}", attempt) : "/shrike";
}

class Gloo final : public Collective {
 public:
  explicit Gloo(const Meeting& meeting) : meeting_(meeting) {
    attempt("the processes of this run did not meet", [&] {
      c10d::TCPStoreOptions options;
      options.port = static_cast<uint16_t>(meeting.port);
      options.isServer = meeting.rank == 0 && !store_is_elsewhere();
      options.numWorkers = static_cast<size_t>(meeting.count);
      options.waitWorkers = false;
      options.timeout = kPatience;
      const auto store = c10::make_intrusive<c10d::PrefixStore>(
          prefix(), c10::make_intrusive<c10d::TCPStore>(meeting.address, options));
      const auto gloo = c10d::ProcessGroupGloo::Options::create(kPatience);
      const bool here = meeting.address == "127.0.0.1" || meeting.address == "localhost";
      gloo->devices.push_back(here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                   : c10d::ProcessGroupGloo::createDefaultDevice());
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, meeting.rank, meeting.count, gloo);
    });
  }

  void sum(float* values, size_t count) override { sum(values, count, at::kFloat); }
  void sum(double* values, size_t count) override { sum(values, count, at::kDouble); }

  void broadcast(std::string& bytes) override {
    auto size = static_cast<double>(meeting_.rank == 0 ? bytes.size() : 0);
    sum(&size, 1);
    bytes.resize(static_cast<size_t>(size));
    if (bytes.empty()) return;
    attempt(kGone, [&] {
      std::vector<at::Tensor> tensors = {
          at::from_blob(bytes.data(), {static_cast<int64_t>(bytes.size())}, at::kByte)};
      group_->broadcast(tensors)->wait();
    });
  }

 private:
  static constexpr const char* kGone = "another process of this run is gone";

  void sum(void* values, size_t count, at::ScalarType type) {
    if (count == 0) return;
    attempt(kGone, [&] {
      std::vector<at::Tensor> tensors = {at::from_blob(values, {static_cast<int64_t>(count)}, type)};
      group_->allreduce(tensors)->wait();
    });
  }

  // Gloo throws what stands on the standard exceptions, LibTorch its own.
  template <typename Work>
  void attempt(const char* what, Work work) {
    std::string reason;
    try {
      work();
      return;
    } catch (const c10::Error& error) {
      reason = reason_of(error);
    } catch (const std::exception& error) {
      reason = error.what();
      reason = reason.substr(0, reason.find('\n'));
    }
    fail("process {} of {}: {} ('{}'); start all of them again, with --resume where there is a checkpoint",
         meeting_.rank, meeting_.count, what, reason);
  }

  const Meeting meeting_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

std::unique_ptr<Collective> meet_by_gloo(const Meeting& meeting) {
  return std::make_unique<Gloo>(meeting);
}
#else
std::unique_ptr<Collective> meet_by_gloo(const Meeting&) {
  fail(
      "this build trains in one process only: Gloo's headers were not there; install libgloo-dev and build "
      "again");
}
#endif

}  // namespace

const CollectiveTable kCollectiveTable{meet_by_gloo};

}  // namespace shrike::engine
