#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "shrike_esp.h"

namespace shrike::esp {
namespace {

constexpr uint32_t kStackBytes = 6144;  // a convolution takes 2 KiB
constexpr int kMostCores = 2;

// Worker tasks, one on every core but the caller's, sleep until there is work; the caller takes part in it.
// What they share is static: on esp32s3 atomic operations need internal RAM, where statics lie.
class CoreTeam final : public WorkerPool {
 public:
  // False when the system has no memory for a task.
  bool start() {
    const BaseType_t here = xPortGetCoreID();
    finished_ = xSemaphoreCreateCounting(kMostCores, 0);
    if (finished_ == nullptr) return false;
    for (BaseType_t core = 0; core < portNUM_PROCESSORS && threads_ < kMostCores; ++core) {
      if (core == here) continue;
      if (xTaskCreatePinnedToCore(serve, "shrike", kStackBytes, this, uxTaskPriorityGet(nullptr),
                                  &tasks_[threads_ - 1], core) != pdPASS)
        return false;
      ++threads_;
    }
    return true;
  }

  int threads() const override { return threads_; }

  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    task_ = task;
    argument_ = argument;
    count_ = count;
    __atomic_store_n(&next_, 0, __ATOMIC_RELEASE);
    for (int i = 0; i < threads_ - 1; ++i) xTaskNotifyGive(tasks_[i]);
    work();
    for (int i = 0; i < threads_ - 1; ++i) xSemaphoreTake(finished_, portMAX_DELAY);
  }

 private:
  void work() {
    for (int i; (i = __atomic_fetch_add(&next_, 1, __ATOMIC_ACQ_REL)) < count_;) task_(argument_, i);
  }

  static void serve(void* self) {
    CoreTeam& team = *static_cast<CoreTeam*>(self);
    for (;;) {
      ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
      team.work();
      xSemaphoreGive(team.finished_);
    }
  }

  int threads_ = 1;
  TaskHandle_t tasks_[kMostCores] = {};
  SemaphoreHandle_t finished_ = nullptr;
  void (*task_)(void* argument, int index) = nullptr;
  void* argument_ = nullptr;
  int count_ = 0;
  int next_ = 0;
};

}  // namespace

WorkerPool* start_workers() {
  static CoreTeam team;
  static const bool started = team.start();
  return started ? &team : nullptr;
}

}  // namespace shrike::esp
