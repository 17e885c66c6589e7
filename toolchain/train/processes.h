// The processes that share a run: each computes some parts of every batch and judges some of the pictures,
// all hold the same numbers, the first writes.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/engine/collective.h"
#include "toolchain/train/optimizer.h"

namespace shrike::train {

class Processes {
 public:
  Processes() = default;  // one alone
  // Waits for the others; throws Error.
  explicit Processes(const engine::Meeting& meeting);

  int rank() const { return rank_; }
  int count() const { return count_; }
  bool first() const { return rank_ == 0; }
  // Whether this process has item `index` of what is shared out.
  bool has(size_t index) const { return index % static_cast<size_t>(count_) == static_cast<size_t>(rank_); }

  // Element by element over all processes, which all call this; throw Error when one of them is gone.
  void sum(Values& values) const;
  void sum(std::vector<double>& values) const;
  // What the first holds, to all.
  void broadcast(std::string& bytes) const;

 private:
  int rank_ = 0, count_ = 1;
  std::shared_ptr<engine::Collective> collective_;
};

// MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE, as torchrun sets them; nothing where WORLD_SIZE is not set.
// Throws Error naming what is missing or no number.
std::optional<engine::Meeting> meeting_from_environment();

// Runs this program with its own arguments in `count` processes that meet on this machine, and waits for
// them. Signals are handed on. Throws Error when one is lost; else returns the highest exit status.
int run_in_processes(int count);

}  // namespace shrike::train
