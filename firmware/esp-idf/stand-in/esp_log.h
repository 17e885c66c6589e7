// Stand-in: the declarations of ESP-IDF's header that the example uses, so that it is compiled here.
#pragma once
extern "C" __attribute__((format(printf, 2, 3))) void esp_log_stand_in(const char* tag, const char* format,
                                                                       ...);
#define ESP_LOGI(tag, ...) esp_log_stand_in(tag, __VA_ARGS__)
#define ESP_LOGE(tag, ...) esp_log_stand_in(tag, __VA_ARGS__)
