// Worker threads for the integer runtime.
#pragma once
#include <memory>

#include "shrike/model.h"

namespace shrike::host {

// `threads` includes the calling thread; where the system gives fewer, there are fewer. run() is called from
// one thread at a time and not from a task. Between calls workers spin for a short while, because a network
// issues its nodes in quick succession, then sleep.
class ThreadPool final : public WorkerPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const override;
  void run(void (*task)(void* argument, int index), void* argument, int count) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::host
