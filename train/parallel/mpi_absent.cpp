// open_communicator() of a build without MPI.
#include "parallel/launch.h"

namespace bitmar {

Result<std::unique_ptr<Communicator>> open_communicator(const LaunchOptions&) {
  if (launched_in_parallel()) {
    return fail(ErrorCode::kUnsupported,
                "started as one of several processes, but this bitmar-train was built without MPI: install Open MPI "
                "(Debian: libopenmpi-dev openmpi-bin) and configure and build it again");
  }
  return std::make_unique<SingleProcess>();
}

}  // namespace bitmar
