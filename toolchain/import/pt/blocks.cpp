// The blocks of Ultralytics' and ESPDet's networks.
#include "toolchain/import/pt/layers.h"

namespace shrike::graph::pt {

// act(bn(conv x)); a fused file has no bn any more.
std::string Layers::conv_block(const Module& m, const std::string& x) {
  std::string y = run(m.child("conv"), x);
  if (m.has_child("bn")) y = run(m.child("bn"), y);
  return m.has_child("act") ? run(m.child("act"), y) : y;
}

// ESPDet's: the activation follows both halves.
std::string Layers::separable_block(const Module& m, const std::string& x) {
  const auto normalized = [&](const char* conv, const char* bn, const std::string& input) {
    const std::string y = run(m.child(conv), input);
    return run(m.child("act"), m.has_child(bn) ? run(m.child(bn), y) : y);
  };
  return normalized("pointwise", "bn2", normalized("depthwise", "bn1", x));
}

// Two depthwise convolutions of different size side by side, joined before the activation.
std::string Layers::rep_block(const Module& m, const std::string& x) {
  if (!m.has_child("conv1")) return run(m.child("act"), run(m.child("conv"), x));
  return run(m.child("act"), add(m, run(m.child("conv"), x), run(m.child("conv1"), x)));
}

std::string Layers::bottleneck(const Module& m, const std::string& x) {
  std::string y = run(m.child("cv1"), x);
  if (m.has_child("cv2")) y = run(m.child("cv2"), y);
  return m.flag("add", false) ? add(m, x, y) : y;
}

std::string Layers::c3(const Module& m, const std::string& x) {
  const std::string deep = run(m.child("m"), run(m.child("cv1"), x));
  return run(m.child("cv3"), concat(m, {deep, run(m.child("cv2"), x)}));
}

// Every part reads the one before; all of them, and both halves of the input, are joined.
std::string Layers::c2f(const Module& m, const std::string& x) {
  std::vector<std::string> parts = halves(m, run(m.child("cv1"), x));
  for (const Module& part : m.child("m").children()) parts.push_back(run(part, parts.back()));
  return run(m.child("cv2"), concat(m, parts));
}

// ESPDet's blocks and SCDown: one after the other, nothing joined.
std::string Layers::chain_block(const Module& m, const std::string& x) {
  std::string y = run(m.child("cv1"), x);
  if (m.has_child("m")) {
    for (const Module& part : m.child("m").children()) y = run(part, y);
  }
  return run(m.child("cv2"), y);
}

std::string Layers::sppf(const Module& m, const std::string& x) {
  std::vector<std::string> parts = {run(m.child("cv1"), x)};
  const int64_t count = m.integer("n", 3);
  if (count < 1 || count > 16) m.refuse("{} poolings are not sensible", count);
  for (int64_t i = 0; i < count; ++i) parts.push_back(run(m.child("m"), parts.back()));
  const std::string y = run(m.child("cv2"), concat(m, parts));
  return m.flag("add", false) ? add(m, x, y) : y;
}

// C2PSA, and PSA of YOLOv10, whose only block is spelt out.
std::string Layers::c2psa(const Module& m, const std::string& x) {
  std::vector<std::string> parts = halves(m, run(m.child("cv1"), x));
  if (m.has_child("m")) {
    parts[1] = run(m.child("m"), parts[1]);
  } else {
    parts[1] = add(m, parts[1], run(m.child("attn"), parts[1]));
    parts[1] = add(m, parts[1], run(m.child("ffn"), parts[1]));
  }
  return run(m.child("cv2"), concat(m, parts));
}

std::string Layers::psa_block(const Module& m, const std::string& x) {
  const bool adds = m.flag("add", true);
  const std::string attended = run(m.child("attn"), x);
  const std::string y = adds ? add(m, x, attended) : attended;
  const std::string fed = run(m.child("ffn"), y);
  return adds ? add(m, y, fed) : fed;
}

// Heads of key_dim queries and keys and head_dim values each over all pixels. The result has the input's
// shape, which is taken from the input itself: the size of the picture is not known here.
std::string Layers::attention(const Module& m, const std::string& x) {
  const int64_t heads = m.integer("num_heads"), key = m.integer("key_dim"), value = m.integer("head_dim");
  const std::string name = node_name(m, "");
  const std::string wide = writer_.integers(name + "shape", {1, heads, 2 * key + value, -1});
  const std::string all = node(m, "Reshape", {run(m.child("qkv"), x), wide});
  const std::string sizes = writer_.integers(name + "Split/split", {key, key, value});
  const auto qkv = writer_.node("Split", node_name(m, "Split"), {all, sizes}, {{"axis", int64_t{2}}}, 3);
  const Attributes swap = {{"perm", std::vector<int64_t>{0, 1, 3, 2}}};
  std::string s = node(m, "MatMul", {node(m, "Transpose", {qkv[0]}, swap), qkv[1]});
  s = node(m, "Mul", {s, writer_.constant(name + "scale", {}, {static_cast<float>(m.real("scale"))})});
  s = node(m, "Softmax", {s}, {{"axis", int64_t{-1}}});
  const std::string o = node(m, "MatMul", {qkv[2], node(m, "Transpose", {s}, swap)});
  const std::string shape = node(m, "Shape", {x});
  const std::string positions = run(m.child("pe"), node(m, "Reshape", {qkv[2], shape}));
  return run(m.child("proj"), add(m, node(m, "Reshape", {o, shape}), positions));
}

// The masks' prototypes of a segmentation head.
std::string Layers::proto(const Module& m, const std::string& x) {
  return run(m.child("cv3"), run(m.child("cv2"), run(m.child("upsample"), run(m.child("cv1"), x))));
}

}  // namespace shrike::graph::pt
