// Stand-in: the declarations of ESP-DL 3.3 that projects use (spec/board.md section 5), so that they are
// compiled here. Nothing is defined.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

typedef int esp_err_t;
#define ESP_OK 0

namespace fbs {
typedef enum {
  MODEL_LOCATION_IN_FLASH_RODATA = 0,
  MODEL_LOCATION_IN_FLASH_PARTITION = 1,
  MODEL_LOCATION_IN_SDCARD = 2
} model_location_type_t;
}

namespace dl {

typedef enum { MEMORY_MANAGER_GREEDY = 0 } memory_manager_t;
typedef enum {
  RUNTIME_MODE_AUTO = 0,
  RUNTIME_MODE_SINGLE_CORE = 1,
  RUNTIME_MODE_MULTI_CORE = 2
} runtime_mode_t;

class TensorBase {
 public:
  std::vector<int> shape;
  int exponent;
  void* data;
};

class Model {
 public:
  Model(const char* rodata_address_or_partition_label_or_path, fbs::model_location_type_t location,
        int max_internal_size, memory_manager_t mm_type, const uint8_t* key, bool param_copy);
  virtual ~Model();
  virtual void run(runtime_mode_t mode);
  virtual void minimize();
  virtual esp_err_t test();
  virtual void profile(bool sort_module_by_latency = false);
  virtual std::map<std::string, TensorBase*>& get_inputs();
  virtual TensorBase* get_input(const std::string& name);
  virtual TensorBase* get_output(const std::string& name);
};

}  // namespace dl
