#include "toolchain/board/library_fit.h"

#include "toolchain/host/tensors.h"

namespace shrike::board {

using host::to_string;

espdl::LibraryVersion oldest_library(const host::IntegerModel& file) {
  const InspectableModel& model = file.model();
  bool channel_exponents = false, stepped_tables = false;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    for (int32_t i = 1; i < model.node_input_count(node); ++i) {
      const std::string name = to_string(model.node_input(node, i).name);
      channel_exponents = channel_exponents || file.initializer_exponents(name).size() > 1;
    }
    const bool table = model.node_type(node) == "LUT" && model.node_output(node, 0).type == DataType::kInt16;
    const bool every_entry =
        table && (file.node_attributes(node) + ' ').find("int16_lut_step=1 ") != std::string::npos;
    stepped_tables = stepped_tables || (table && !every_entry);
  }
  return espdl::oldest_library_with(channel_exponents, stepped_tables);
}

std::string library_of(const host::IntegerModel& file) {
  return to_string(file.model().metadata(espdl::kLibraryKey));
}

}  // namespace shrike::board
