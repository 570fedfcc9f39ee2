#include "parallel/process_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <ranges>
#include <utility>

namespace bitmar {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeat{500};
// Between reading who is gone and going oneself: mpirun's SIGTERM reaches all at the same time, and its SIGKILL follows
// after a second.
constexpr std::chrono::milliseconds kLinger{400};
// Where rank 0 is lost every other process sees it. Rank 1 tells and ends them; the rest wait this long for that.
constexpr std::chrono::seconds kPrecedence{3};

sigset_t termination() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void hold_termination_signal() {
  const sigset_t set = termination();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// Another process, as seen by this one's thread.
struct ProcessWatch::Peer {
  std::size_t rank = 0;
  char sent = 0, received = 0;
  MPI_Request sending = MPI_REQUEST_NULL, receiving = MPI_REQUEST_NULL;
  Clock::time_point heard = Clock::now();
};

ProcessWatch::ProcessWatch(MPI_Comm beats, std::vector<GroupMember> members, const LaunchOptions& options)
    : beats_(beats), members_(std::move(members)), options_(options) {
  int rank = 0;
  MPI_Comm_rank(beats_, &rank);
  rank_ = static_cast<std::size_t>(rank);
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

ProcessWatch::~ProcessWatch() {
  thread_.request_stop();
  thread_.join();
}

void ProcessWatch::set_advice(const std::string& advice) {
  const std::lock_guard lock(mutex_);
  advice_ = advice;
}

std::vector<std::size_t> ProcessWatch::exchange(std::vector<Peer>& peers) const {
  std::vector<std::size_t> lost;
  const auto now = Clock::now();
  for (Peer& peer : peers) {
    const int to = static_cast<int>(peer.rank);
    int done = 0;
    // One beat on its way at a time: a peer that takes none does not collect them.
    MPI_Test(&peer.sending, &done, MPI_STATUS_IGNORE);
    if (done != 0) MPI_Isend(&peer.sent, 1, MPI_CHAR, to, 0, beats_, &peer.sending);
    for (;;) {
      MPI_Test(&peer.receiving, &done, MPI_STATUS_IGNORE);  // MPI_REQUEST_NULL, the first time, is done
      if (done == 0) break;
      peer.heard = now;
      MPI_Irecv(&peer.received, 1, MPI_CHAR, to, 0, beats_, &peer.receiving);
    }
    if (now - peer.heard > options_.silence) lost.push_back(peer.rank);
  }
  return lost;
}

void ProcessWatch::watch(const std::stop_token& stop) {
  std::vector<Peer> peers;
  for (std::size_t rank = 0; rank < members_.size(); ++rank) {
    if (rank != rank_ && (rank_ == 0 || rank == 0)) peers.push_back({.rank = rank});
  }
  const sigset_t set = termination();
  const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kBeat).count()};
  auto last = Clock::now();
  while (!stop.stop_requested()) {
    // A process that was itself stopped for a while (a suspended machine) must hear the others before it judges them.
    const auto now = Clock::now();
    const auto late = now - last;
    if (late > 4 * kBeat) {
      for (Peer& peer : peers) peer.heard += late;
    }
    last = now;
    const auto lost = exchange(peers);
    if (!lost.empty()) end_after_silence(lost);
    if (sigtimedwait(&set, nullptr, &pause) == SIGTERM) end_after_signal();
  }
  for (Peer& peer : peers) {
    if (peer.receiving != MPI_REQUEST_NULL) {
      MPI_Cancel(&peer.receiving);
      MPI_Wait(&peer.receiving, MPI_STATUS_IGNORE);
    }
    if (peer.sending != MPI_REQUEST_NULL) MPI_Request_free(&peer.sending);
  }
}

std::string ProcessWatch::name(std::size_t rank) const {
  return fmt::format("rank {} (process {} on {})", rank, members_[rank].pid, members_[rank].host);
}

void ProcessWatch::tell(const std::string& message) {
  std::string advice;
  {
    const std::lock_guard lock(mutex_);
    advice = advice_;
  }
  if (options_.report) options_.report(advice.empty() ? message : message + ". " + advice);
}

void ProcessWatch::end_after_silence(const std::vector<std::size_t>& lost) {
  if (rank_ > 1) std::this_thread::sleep_for(kPrecedence);
  auto names = lost | std::views::transform([this](std::size_t rank) { return name(rank); });
  tell(fmt::format("lost {} of {} processes: no sign of life of {} for {} s", lost.size(), members_.size(),
                   fmt::join(names, ", "), options_.silence.count()));
  MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  std::_Exit(EXIT_FAILURE);
}

void ProcessWatch::end_after_signal() {
  // Of this machine's processes it is known whether they still run.
  std::vector<std::string> lost;
  std::optional<std::size_t> first;  // the lowest rank here that still runs: it speaks for this machine
  for (std::size_t rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank].host != members_[rank_].host) continue;
    if (rank != rank_ && kill(static_cast<pid_t>(members_[rank].pid), 0) != 0 && errno == ESRCH) {
      lost.push_back(name(rank));
    } else if (!first) {
      first = rank;
    }
  }
  if (first == rank_) {
    tell(lost.empty() ? std::string("the launcher ended the run: its own message says why")
                      : fmt::format("lost {} of {} processes: {} ended", lost.size(), members_.size(),
                                    fmt::join(lost, ", ")));
  }
  std::this_thread::sleep_for(kLinger);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace bitmar
