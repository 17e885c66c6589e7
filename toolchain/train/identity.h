// What a run of training depends on, so that no other run goes on from its checkpoint.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"
#include "toolchain/train/pictures.h"

namespace shrike::train {

// Lines of text, one a kind: options as given, hashes of the network (weights included) and of the pictures
// (names without folders, sizes of the files, labels), and the instructions of the float engine.
std::string identity_of(const std::string& options, const graph::Graph& graph, const Parts& parts);

// Throws Error that names the kinds that differ. `stated` stands in the checkpoint.
void require_same_run(const std::string& stated, const std::string& here, const std::string& checkpoint);

}  // namespace shrike::train
