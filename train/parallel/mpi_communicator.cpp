// open_communicator() of a build with MPI.
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>

#include "parallel/launch.h"
#include "parallel/process_watch.h"

namespace bitmar {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = std::size_t{1} << 28;  // elements of one call: MPI counts with int
// A wait for a slower process: first short and by turns, then mostly asleep, as the processor may be the other's.
constexpr std::chrono::milliseconds kEagerWait{2};
constexpr std::chrono::microseconds kNap{200};

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  const std::string_view reason(text.data(), static_cast<std::size_t>(length));
  throw CommunicationError(fmt::format("{} between the processes failed: {}", call, reason));
}

MPI_Comm copy_of_world() {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "a new communicator");  // inherits the error handler
  return copy;
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(const LaunchOptions& options) : work_(copy_of_world()), beats_(copy_of_world()) {
    int value = 0;
    check(MPI_Comm_rank(work_, &value), "the rank");
    rank_ = static_cast<std::uint32_t>(value);
    check(MPI_Comm_size(work_, &value), "the size");
    size_ = static_cast<std::uint32_t>(value);
    MPI_Comm machine = MPI_COMM_NULL;
    check(MPI_Comm_split_type(work_, MPI_COMM_TYPE_SHARED, value, MPI_INFO_NULL, &machine), "a machine's communicator");
    check(MPI_Comm_rank(machine, &value), "the rank on a machine");
    local_rank_ = static_cast<std::uint32_t>(value);
    MPI_Comm_free(&machine);

    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const std::vector<std::string> hosts = gather(host.data());
    const std::vector<std::string> pids = gather(std::to_string(getpid()));
    std::vector<GroupMember> members;
    for (std::size_t i = 0; i < hosts.size(); ++i) members.push_back({hosts[i], std::stol(pids[i])});
    watch_.emplace(beats_, std::move(members), options);
  }

  ~MpiCommunicator() override {
    // Where this is the end of a failure that the others do not share, they must not be waited for.
    try {
      barrier();
    } catch (const CommunicationError&) {
      abort();
    }
    watch_.reset();
    MPI_Comm_free(&beats_);
    MPI_Comm_free(&work_);
    MPI_Finalize();
  }

  [[nodiscard]] std::uint32_t rank() const override { return rank_; }
  [[nodiscard]] std::uint32_t size() const override { return size_; }
  [[nodiscard]] std::uint32_t local_rank() const override { return local_rank_; }

  void sum(std::span<float> values) override { reduce(values, MPI_FLOAT, MPI_SUM); }
  void sum(std::span<double> values) override { reduce(values, MPI_DOUBLE, MPI_SUM); }
  void maximum(std::span<std::uint8_t> values) override { reduce(values, MPI_UINT8_T, MPI_MAX); }

  using Communicator::broadcast;
  void broadcast(std::span<std::byte> bytes) override {
    barrier();
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kPiece));
      check(MPI_Bcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, 0, work_), "a broadcast");
      bytes = bytes.subspan(piece.size());
    }
  }

  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override {
    if (own.size() > kPiece) throw CommunicationError("a text is too long to be gathered");
    barrier();
    const int length = static_cast<int>(own.size());
    std::vector<int> lengths(size_), offsets(size_);
    check(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, work_), "a gathering");
    const auto total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    if (total > std::numeric_limits<int>::max()) throw CommunicationError("texts are too long to be gathered");
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(static_cast<std::size_t>(total), '\0');
    check(MPI_Allgatherv(own.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR, work_),
          "a gathering");
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < size_; ++i) {
      texts.push_back(all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
    }
    return texts;
  }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(work_, &request), "a barrier");
    const auto start = Clock::now();
    for (int done = 0;;) {
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "a barrier");
      if (done != 0) return;
      if (Clock::now() - start < kEagerWait) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(kNap);
      }
    }
  }

  void set_advice(const std::string& advice) override { watch_->set_advice(advice); }

  [[noreturn]] void abort() override {
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    std::_Exit(EXIT_FAILURE);
  }

 private:
  // MPI's reductions give every process the same bits: each element is summed in one order, whoever sums it.
  template <typename T>
  void reduce(std::span<T> values, MPI_Datatype type, MPI_Op operation) {
    barrier();  // waits asleep; the reduction itself would wait at full load
    while (!values.empty()) {
      const auto piece = values.first(std::min(values.size(), kPiece));
      check(MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), type, operation, work_), "a sum");
      values = values.subspan(piece.size());
    }
  }

  MPI_Comm work_, beats_;
  std::uint32_t rank_ = 0, size_ = 1, local_rank_ = 0;
  std::optional<ProcessWatch> watch_;
};

}  // namespace

Result<std::unique_ptr<Communicator>> open_communicator(const LaunchOptions& options) {
  if (!launched_in_parallel()) return std::make_unique<SingleProcess>();
  hold_termination_signal();
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) {
    return fail(ErrorCode::kIo, "MPI does not start");
  }
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    return fail(ErrorCode::kUnsupported, "this MPI does not support several threads (MPI_THREAD_MULTIPLE)");
  }
  try {
    return std::make_unique<MpiCommunicator>(options);
  } catch (const CommunicationError& error) {
    return fail(ErrorCode::kIo, "{}", error.what());
  }
}

}  // namespace bitmar
