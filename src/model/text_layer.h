// One pre-norm transformer layer with SubLN and BitLinear projections, as both text stacks use it:
//   h += tanh(g) P r                                  (decoder layers of a model with memory)
//   h += Output(SubLN(attention(LN(h))));   h += Down(SubLN(gelu(Up(LN(h)))))
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "model/kv_cache.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace bitmar {

// x [rows, d] -> LN(x), quantized into workspace.quantized.
void norm_and_quantize(const BitmarModel& model, const NormWeights& norm, MatrixView<const float> x,
                       MatrixView<float> normed, Workspace& workspace);

// Advances workspace.hidden by one layer. caches: [rows], the layer's cache of each row's sequence; the rows'
// positions and rotations stand in the workspace. With `memory`, workspace.quantized_retrieved holds r.
void run_text_layer(const BitmarModel& model, const TextLayerWeights& weights, std::span<KvCache* const> caches,
                    bool memory, const LayerStages& stages, Workspace& workspace, ThreadPool* pool);

}  // namespace bitmar
