// Stand-in: the declarations of FreeRTOS as ESP-IDF has it that the component uses, so that it is compiled
// here.
#pragma once
#include <stdint.h>

typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
#define pdTRUE 1
#define pdPASS 1
#define portMAX_DELAY 0xffffffffu
#define portNUM_PROCESSORS 2
extern "C" BaseType_t xPortGetCoreID(void);
