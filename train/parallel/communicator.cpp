#include "parallel/communicator.h"

#include <cstdlib>

namespace bitmar {
namespace {

// In gather()'s texts: the first character tells success from failure, the second carries the error's code.
constexpr char kSuccess = '+';
constexpr char kFailure = '-';

}  // namespace

std::string Communicator::broadcast(const std::string& own) {
  std::uint64_t length = own.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)));
  std::string text = own;
  text.resize(length);
  broadcast(std::as_writable_bytes(std::span(text)));
  return text;
}

Result<void> Communicator::agree(const Result<void>& own) {
  std::string report(1, kSuccess);
  if (!own) {
    report = {kFailure, static_cast<char>('0' + static_cast<int>(own.error().code))};
    report += own.error().message;
  }
  const std::vector<std::string> reports = gather(report);
  for (std::size_t rank = 0; rank < reports.size(); ++rank) {
    if (reports[rank].front() != kFailure) continue;
    failed_together_ = true;
    const auto code = static_cast<ErrorCode>(reports[rank][1] - '0');
    const std::string message = reports[rank].substr(2);
    // Where rank 0 has it too it is nobody's in particular.
    if (rank == 0) return fail(code, "{}", message);
    return fail(code, "process of rank {}: {}", rank, message);
  }
  return {};
}

void SingleProcess::abort() {
  std::_Exit(EXIT_FAILURE);
}

}  // namespace bitmar
