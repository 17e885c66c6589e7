// The component's team of cores, with threads in place of FreeRTOS's tasks.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "freertos/semphr.h"
#include "freertos/task.h"
#include "shrike_esp.h"

namespace {

// Counts up on give, down on take, which waits.
struct Counter {
  std::mutex mutex;
  std::condition_variable changed;
  int value = 0;
  void give() {
    const std::lock_guard lock(mutex);
    ++value;
    changed.notify_one();
  }
  void take(bool all) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return value > 0; });
    value = all ? 0 : value - 1;
  }
};

thread_local Counter* own_notifications = nullptr;
int created_tasks = 0;
BaseType_t core_of_task = -1;

}  // namespace

// The tests' FreeRTOS. Tasks run for ever, as on a board.
struct tskTaskControlBlock : Counter {};
struct QueueDefinition : Counter {};
extern "C" {
BaseType_t xPortGetCoreID(void) {
  return 0;
}
UBaseType_t uxTaskPriorityGet(TaskHandle_t) {
  return 1;
}
BaseType_t xTaskCreatePinnedToCore(void (*code)(void*), const char*, uint32_t, void* parameters, UBaseType_t,
                                   TaskHandle_t* created, BaseType_t core) {
  auto* task = new tskTaskControlBlock;
  *created = task;
  core_of_task = core;
  ++created_tasks;
  std::thread([=] {
    own_notifications = task;
    code(parameters);
  }).detach();
  return pdPASS;
}
BaseType_t xTaskNotifyGive(TaskHandle_t task) {
  task->give();
  return pdTRUE;
}
uint32_t ulTaskNotifyTake(BaseType_t, TickType_t) {
  own_notifications->take(true);
  return 1;
}
SemaphoreHandle_t xSemaphoreCreateCounting(UBaseType_t, UBaseType_t) {
  return new QueueDefinition;
}
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore) {
  semaphore->give();
  return pdTRUE;
}
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t) {
  semaphore->take(false);
  return pdTRUE;
}
}

namespace shrike::esp {
namespace {

TEST(Workers, AreTheCallerAndATaskOnTheOtherCore) {
  WorkerPool* team = start_workers();
  ASSERT_NE(team, nullptr);
  EXPECT_EQ(team->threads(), 2);
  EXPECT_EQ(start_workers(), team);
  EXPECT_EQ(created_tasks, 1);
  EXPECT_EQ(core_of_task, 1);
}

TEST(Workers, DoEveryTaskOnceBeforeTheCallReturns) {
  WorkerPool* team = start_workers();
  ASSERT_NE(team, nullptr);
  for (int round = 0; round < 300; ++round) {
    const int count = round % 17;
    std::array<std::atomic<int>, 17> done = {};
    team->run([](void* argument,
                 int index) { ++(*static_cast<decltype(&done)>(argument))[static_cast<size_t>(index)]; },
              &done, count);
    for (int i = 0; i < 17; ++i) ASSERT_EQ(done[static_cast<size_t>(i)], i < count ? 1 : 0) << round;
  }
}

}  // namespace
}  // namespace shrike::esp
