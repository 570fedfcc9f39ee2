// Knows whether the processes of a group are alive, whatever they are busy with, and ends this one where one is lost.
//
// A thread of every process exchanges a beat a moment with rank 0's. Two things end a run: a silence longer than the
// limit (a machine that went away, a process that hangs), and the launcher's SIGTERM, by which mpirun ends the others
// when it sees one die. Either way the user reads who was lost and what to do.
#pragma once

#include <mpi.h>

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parallel/launch.h"

namespace bitmar {

struct GroupMember {
  std::string host;
  long pid = 0;
};

// Blocks SIGTERM in this thread and those it starts, for a ProcessWatch to receive. Before MPI starts its own.
void hold_termination_signal();

class ProcessWatch {
 public:
  // `beats`: a communicator that nobody else uses. SIGTERM must be held.
  ProcessWatch(MPI_Comm beats, std::vector<GroupMember> members, const LaunchOptions& options);
  // Stops watching. The processes must have agreed to stop (a barrier) before.
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  void set_advice(const std::string& advice);

 private:
  struct Peer;
  void watch(const std::stop_token& stop);
  // Sends and receives what is there; the ranks that have been silent too long.
  std::vector<std::size_t> exchange(std::vector<Peer>& peers) const;
  [[noreturn]] void end_after_silence(const std::vector<std::size_t>& lost);
  [[noreturn]] void end_after_signal();
  void tell(const std::string& message);
  [[nodiscard]] std::string name(std::size_t rank) const;

  MPI_Comm beats_;
  std::size_t rank_ = 0;
  std::vector<GroupMember> members_;
  LaunchOptions options_;
  std::mutex mutex_;
  std::string advice_;  // under mutex_
  std::jthread thread_;
};

}  // namespace bitmar
