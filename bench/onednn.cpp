#include "bench/onednn.h"

#include <dnnl.hpp>

#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

namespace shrike::bench {

struct OneDnnConvolution::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::convolution_forward::primitive_desc description;
  dnnl::convolution_forward convolution;
  std::unordered_map<int, dnnl::memory> arguments;
};

namespace {

dnnl::convolution_forward::primitive_desc describe(const ConvGeometry& g, const dnnl::engine& engine) {
  using dnnl::memory;
  using Type = memory::data_type;
  const memory::desc source({1, g.in_c, g.in_h, g.in_w}, Type::s8, memory::format_tag::nhwc);
  const memory::dims filter = g.depthwise ? memory::dims{g.out_c, 1, 1, g.kernel_h, g.kernel_w}
                                          : memory::dims{g.out_c, g.in_c, g.kernel_h, g.kernel_w};
  const memory::desc weights(filter, Type::s8, memory::format_tag::any);
  const memory::desc bias({g.out_c}, Type::s32, memory::format_tag::a);
  const memory::desc result({1, g.out_c, g.out_h, g.out_w}, Type::s8, memory::format_tag::nhwc);
  dnnl::primitive_attr attributes;
  attributes.set_output_scales(0, {1.0f / 512});
  const memory::dim bottom =
      (g.out_h - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1 - g.in_h - g.pad_top;
  const memory::dim right =
      (g.out_w - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1 - g.in_w - g.pad_left;
  const dnnl::convolution_forward::desc description(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, weights, bias, result,
      {g.stride_h, g.stride_w}, {g.dilation_h - 1, g.dilation_w - 1}, {g.pad_top, g.pad_left},
      {bottom, right});
  return {description, attributes, engine};
}

}  // namespace

OneDnnConvolution::OneDnnConvolution(const ConvGeometry& geometry) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.description = describe(geometry, impl.engine);
  impl.convolution = dnnl::convolution_forward(impl.description);
  impl.arguments = {{DNNL_ARG_SRC, {impl.description.src_desc(), impl.engine}},
                    {DNNL_ARG_WEIGHTS, {impl.description.weights_desc(), impl.engine}},
                    {DNNL_ARG_BIAS, {impl.description.bias_desc(), impl.engine}},
                    {DNNL_ARG_DST, {impl.description.dst_desc(), impl.engine}}};
  std::mt19937 random(1);
  for (auto& [name, memory] : impl.arguments) {
    uint8_t* bytes = static_cast<uint8_t*>(memory.get_data_handle());
    for (size_t i = 0; i < memory.get_desc().get_size(); ++i) bytes[i] = static_cast<uint8_t>(random());
  }
}

OneDnnConvolution::~OneDnnConvolution() = default;

void OneDnnConvolution::run() {
  impl_->convolution.execute(impl_->stream, impl_->arguments);
  impl_->stream.wait();
}

std::string OneDnnConvolution::name() const {
  return impl_->description.impl_info_str();
}

}  // namespace shrike::bench
