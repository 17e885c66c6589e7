// Which head a model's outputs are. The names are those that ESP-DL's postprocessors ask for; what they don't
// tell is in the metadata "head", written by toolchain/heads: a first word, then KEY=NUMBER,NUMBER,...
#include "heads/decoder.h"
#include "heads/values.h"

namespace shrike {
namespace {

// The output of that name, true when there is none to look for.
bool find_output(const Model& model, const char* pattern, int32_t level, TensorView* view) {
  if (pattern == nullptr) return true;
  char name[24];
  int32_t i = 0;
  for (; pattern[i] != '\0'; ++i) name[i] = pattern[i] == '#' ? static_cast<char>('0' + level) : pattern[i];
  name[i] = '\0';
  *view = model.output(name);
  return is_given(*view);
}

int32_t channels(const TensorView& view) {
  return view.shape.rank == 4 ? view.shape.dims[3] : 0;
}

// The levels whose tensors are all there. Returns how many outputs those are.
int32_t find_levels(const Model& model, int32_t input_height, Head& head) {
  const HeadDecoder& decoder = *head.decoder;
  const int32_t tensors = 2 + (decoder.objectness != nullptr ? 1 : 0) + (decoder.third != nullptr ? 1 : 0);
  for (int32_t i = 0; i < 10 && head.level_count < kMaxHeadLevels; ++i) {
    HeadLevel& level = head.levels[head.level_count];
    if (!find_output(model, decoder.box, i, &level.box) ||
        !find_output(model, decoder.score, i, &level.score) ||
        !find_output(model, decoder.objectness, i, &level.objectness) ||
        !find_output(model, decoder.third, i, &level.third)) {
      continue;
    }
    // Maps may be rounded up or down: the stride is what fits best.
    const int32_t height = level.box.shape.rank == 4 ? level.box.shape.dims[1] : 0;
    level.stride = height > 0 ? (input_height + height / 2) / height : 0;
    ++head.level_count;
  }
  return head.level_count * tensors;
}

// What the shapes tell.
void read_shapes(Head& head) {
  const HeadLevel& first = head.levels[0];
  if (is_given(first.objectness)) head.anchor_count = channels(first.objectness);
  if (head.kind == HeadKind::kKeyPoints) {
    head.key_point_values = channels(first.third) % 3 == 0 ? 3 : 2;
    head.key_points = channels(first.third) / head.key_point_values;
  }
}

void read_metadata(MetadataReader& reader, Head& head) {
  while (!reader.done()) {
    const Text key = reader.word();
    float value = 0;
    if (key == "offset" && reader.number(value)) head.cell_offset = value;
    if (key == "one_to_one" && reader.number(value)) head.one_to_one = value != 0;
    if (key == "raw_third" && reader.number(value)) head.raw_third = value != 0;
    if (head.decoder->read != nullptr) head.decoder->read(reader, key, head);
    reader.skip();
  }
}

}  // namespace

Head make_head(const HeadDecoder& decoder) {
  Head head;
  head.decoder = &decoder;
  head.kind = decoder.kind;
  head.cell_offset = decoder.cell_offset;
  head.one_to_one = decoder.one_to_one;
  return head;
}

const HeadDecoder* find_decoder(const HeadSet& heads, const char* name) {
  Text text;
  text.data = name;
  while (name[text.size] != '\0') ++text.size;
  for (int32_t i = 0; i < heads.count; ++i) {
    if (text == heads.decoders[i]->name) return heads.decoders[i];
  }
  return nullptr;
}

const char* decoder_name(const Head& head) {
  return head.decoder != nullptr ? head.decoder->name : "";
}

Status find_head(const Model& model, const HeadSet& heads, Head* head) {
  if (head == nullptr || model.input_count() < 1) {
    return make_status(StatusCode::kBadArgument, "a loaded model and memory for its head must be given");
  }
  const Shape& input = model.input(0).shape;
  if (input.rank != 4)
    return make_status(StatusCode::kBadShape, "the model's input is not a picture [1,H,W,C]");
  MetadataReader reader(model.metadata("head"));
  const Text named = reader.word();
  for (int32_t i = 0; i < heads.count; ++i) {
    const HeadDecoder& decoder = *heads.decoders[i];
    if (named.size > 0 && !(named == decoder.name)) continue;
    Head& found = *head = make_head(decoder);
    int32_t used = find_levels(model, input.dims[1], found);
    if (found.level_count == 0) continue;
    if (found.kind == HeadKind::kMasks) found.prototypes = model.output("p");
    if (is_given(found.prototypes)) ++used;
    // A head of more tensors than the decoder knows is another head.
    if (used != model.output_count()) continue;
    found.rounding = model.rounding();
    read_shapes(found);
    if (decoder.complete != nullptr) decoder.complete(found);
    read_metadata(reader, found);
    return {};
  }
  return make_status(StatusCode::kNotFound, named.size > 0
                                                ? "the decoder of the model's head is not among those given"
                                                : "no decoder given is one for just the model's outputs");
}

}  // namespace shrike
