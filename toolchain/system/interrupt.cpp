#include "toolchain/system/interrupt.h"

#include <atomic>
#include <cstring>

#include "toolchain/system/signals.h"

namespace shrike {
namespace {

// A signal handler may only use memory that is already there.
constexpr int kSlots = 16;
constexpr size_t kMaxPath = 4096;

struct Slot {
  std::atomic<int> state{0};  // 0 free, 1 being written, 2 in use
  char path[kMaxPath];
};

Slot slots[kSlots];

// What a signal meets: kEnds, kWaits, kEnding while a handler is at work, or the number of the signal that
// waits. One value, so that none is lost between a look and a change.
constexpr int kEnds = 0, kWaits = -1, kEnding = -2;
std::atomic<int> waiting{kEnds};
static_assert(std::atomic<int>::is_always_lock_free, "a handler may not lock");

std::mutex wait_mutex;

// The number of the signal that asked the work to stop, or one of these.
constexpr int kNobodyListens = 0, kNotAsked = -1;
std::atomic<int> asked_by{kNobodyListens};

}  // namespace

void signals::arrived(int signal) {
  int not_asked = kNotAsked;
  if (asked_by.compare_exchange_strong(not_asked, signal)) return;
  int met = waiting.load();
  while (!waiting.compare_exchange_weak(met, met == kEnds || met == kEnding ? kEnding : signal)) {
  }
  if (met != kEnds) return;
  remove_temporary_files();
  end(signal);
}

TemporaryFile::TemporaryFile(const std::string& path) : slot_(-1) {
  if (path.size() >= kMaxPath) return;
  for (int i = 0; i < kSlots && slot_ < 0; ++i) {
    int free = 0;
    if (slots[i].state.compare_exchange_strong(free, 1)) slot_ = i;
  }
  if (slot_ < 0) return;
  std::memcpy(slots[slot_].path, path.c_str(), path.size() + 1);
  slots[slot_].state.store(2);
}

TemporaryFile::~TemporaryFile() {
  if (slot_ >= 0) slots[slot_].state.store(0);
}

SignalsWait::SignalsWait() : only_one_(wait_mutex) {
  int met = kEnds;
  // A handler on another thread is about to end the process; its files are no longer there to be renamed.
  while (!waiting.compare_exchange_weak(met, kWaits)) {
    if (met == kEnding) signals::wait_for_end();
    met = kEnds;
  }
}

SignalsWait::~SignalsWait() {
  const int signal = waiting.exchange(kEnds);
  if (signal > 0) signals::send(signal);
}

SignalsAsk::SignalsAsk() {
  asked_by.store(kNotAsked);
}

SignalsAsk::~SignalsAsk() {
  const int signal = asked_by.exchange(kNobodyListens);
  if (signal > 0) signals::send(signal);
}

bool SignalsAsk::asked() const {
  return asked_by.load() > 0;
}

void remove_temporary_files() {
  for (Slot& slot : slots) {
    if (slot.state.load() == 2) signals::remove_file(slot.path);
  }
}

}  // namespace shrike
