// Stand-in: the declarations of ESP-IDF's header that the example uses, so that it is compiled here.
#pragma once
#include <stdint.h>
extern "C" int64_t esp_timer_get_time(void);
