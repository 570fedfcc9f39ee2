#include "parallel/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace bitmar {

bool launched_in_parallel() {
  // Open MPI's mpirun; launchers of MPICH's family, srun among them.
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    const std::string_view text(value);
    int size = 0;
    if (std::from_chars(text.begin(), text.end(), size).ec == std::errc() && size > 1) return true;
  }
  return false;
}

}  // namespace bitmar
