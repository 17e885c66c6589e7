// Stand-in, see FreeRTOS.h. ESP-IDF counts stacks in bytes.
#pragma once
#include "freertos/FreeRTOS.h"

typedef struct tskTaskControlBlock* TaskHandle_t;
extern "C" {
BaseType_t xTaskCreatePinnedToCore(void (*code)(void*), const char* name, uint32_t stack_bytes,
                                   void* parameters, UBaseType_t priority, TaskHandle_t* created,
                                   BaseType_t core);
UBaseType_t uxTaskPriorityGet(TaskHandle_t task);
BaseType_t xTaskNotifyGive(TaskHandle_t task);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
}
