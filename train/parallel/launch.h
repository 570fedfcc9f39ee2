// How the processes of a training find each other: `mpirun -n 2 bitmar-train train …`.
//
//   const auto communicator = open_communicator({.silence = std::chrono::seconds(30), .report = print_error});
//
// Started without a launcher, a program is alone. Started by one it belongs to a group whose members watch each other:
// when one dies, hangs or cannot be reached, the others end at once, exit non-zero, and one of them says which it was.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "parallel/communicator.h"

namespace bitmar {

struct LaunchOptions {
  std::chrono::seconds silence{30};  // a process that shows no sign of life for so long is lost
  // Tells the user that processes are lost; called on a thread of its own, right before the process ends.
  std::function<void(const std::string&)> report;
};

// An MPI launcher started this process as one of several.
[[nodiscard]] bool launched_in_parallel();

// Joins the group, or is alone. To be called before other threads exist. kUnsupported: a launcher started this program,
// which was built without MPI.
[[nodiscard]] Result<std::unique_ptr<Communicator>> open_communicator(const LaunchOptions& options);

}  // namespace bitmar
