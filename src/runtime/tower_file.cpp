#include "runtime/tower_file.h"

#include "io/gguf.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"

namespace bitmar {

Result<VisionTower> load_tower_file(const std::string& path, const Kernels& kernels) {
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  BITMAR_TRY(const VisionTowerConfig config, read_tower_config(file));
  BITMAR_TRY(const TensorDecoder tensors, TensorDecoder::open(file));
  BITMAR_TRY(const std::string architecture, file.value<std::string>("general.architecture"));
  if (architecture == kTowerArchitecture) BITMAR_TRY_VOID(tensors.check_complete(tower_tensor_table(config)));
  return VisionTower::load(config, tensors, kernels);
}

}  // namespace bitmar
