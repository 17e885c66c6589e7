// What a network is run on: for every input of the graph a picture or an array, found in folders by name.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/data/input_spec.h"
#include "toolchain/graph/graph.h"

namespace shrike::data {

// An input of a network.
struct Port {
  std::string name;
  std::vector<int64_t> shape;        // logical order
  std::optional<InputSpec> picture;  // how pictures are fed; nothing: only arrays fit
};

// The graph's inputs, with what its metadata say about pictures.
std::vector<Port> ports_of(const graph::Graph& graph);
// Decides what pictures become for this graph and notes it in its metadata (input_spec.h).
void decide_input(graph::Graph& graph, const InputOptions& options);
// Sentences about inputs that can't be what the network expects: it divides by 255 or subtracts a mean of
// bytes, but is fed 0..1; a single sample.
std::vector<std::string> input_warnings(const graph::Graph& graph, size_t samples);

// A sample names its files: one path a line, in the order of the ports. A picture's path is the sample
// itself. `place` is a folder (searched with its sub-folders), or a text file that lists paths. One input:
// pictures or .npy files. Several: a sub-folder for each input, or files whose names begin with the input's
// and '_' or '-'; files that belong together have the same name otherwise. Sorted. Throws Error.
std::vector<std::string> list_samples(const std::string& place, const std::vector<Port>& ports,
                                      std::vector<std::string>* notes = nullptr);
// What a file holds, by its name: a picture (.jpg, .jpeg, .png), an array (.npy) or neither. Everything that
// reads samples asks this; what is inside then has to be that.
enum class FileKind { kPicture, kArray, kOther };
FileKind kind_of_file(const std::string& path);
// Decodes the files of a sample: what can't be read is told here, before long work. Throws Error naming the
// file.
void require_readable(const std::string& sample);
// A sample of one picture, by its name.
bool is_picture(const std::string& sample);
// The files of a sample, in the order of the ports.
std::vector<std::string> paths_of(const std::string& sample);

// The values of every port, in logical order. Arrays are fed as they are: their shape must be the input's, or
// its channel-last order. Throws Error naming the file.
std::vector<std::vector<float>> load_sample(const std::string& sample, const std::vector<Port>& ports);

}  // namespace shrike::data
