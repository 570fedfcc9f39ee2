// The processes that train together: who they are, and the few things that they do as one.
//
//   communicator->sum(std::span(gradients));   // every process makes the same calls in the same order
//   BITMAR_TRY_VOID(communicator->agree(open_files()));
//
// A call waits until every process has made it. Where one is lost, the waiting ends (launch.h says how).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/result.h"

namespace bitmar {

// The transport failed; says which call.
class CommunicationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] virtual std::uint32_t rank() const = 0;
  [[nodiscard]] virtual std::uint32_t size() const = 0;
  // Among the processes of this machine: which of its devices to take.
  [[nodiscard]] virtual std::uint32_t local_rank() const = 0;
  // Writes files, log and progress.
  [[nodiscard]] bool leads() const { return rank() == 0; }

  // Sums over the processes, in place; all receive the same bits. As many values everywhere.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;
  // The greatest at each place, in place.
  virtual void maximum(std::span<std::uint8_t> values) = 0;
  // Rank 0's bytes, to all. As many everywhere.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  // Every process' text, by rank, to all.
  [[nodiscard]] virtual std::vector<std::string> gather(const std::string& own) = 0;
  virtual void barrier() = 0;

  // Rank 0's text, of any length, to all.
  [[nodiscard]] std::string broadcast(const std::string& own);
  // Success where every process succeeded; else, on all, the error of the first that did not, naming its rank.
  [[nodiscard]] Result<void> agree(const Result<void>& own);
  template <typename T>
  [[nodiscard]] Result<void> agree(const Result<T>& own) {
    return agree(own ? Result<void>() : std::unexpected(own.error()));
  }
  // The last agree() failed: all end together, and rank 0 alone tells the user.
  [[nodiscard]] bool failed_together() const { return failed_together_; }

  // What a user who reads that a process was lost can do about it.
  virtual void set_advice(const std::string& advice) = 0;
  // Ends all processes at once, this one included; after a failure of this process alone.
  [[noreturn]] virtual void abort() = 0;

 private:
  bool failed_together_ = false;
};

// One process: nothing to do.
class SingleProcess final : public Communicator {
 public:
  [[nodiscard]] std::uint32_t rank() const override { return 0; }
  [[nodiscard]] std::uint32_t size() const override { return 1; }
  [[nodiscard]] std::uint32_t local_rank() const override { return 0; }
  void sum(std::span<float>) override {}
  void sum(std::span<double>) override {}
  void maximum(std::span<std::uint8_t>) override {}
  using Communicator::broadcast;
  void broadcast(std::span<std::byte>) override {}
  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override { return {own}; }
  void barrier() override {}
  void set_advice(const std::string&) override {}
  [[noreturn]] void abort() override;
};

}  // namespace bitmar
