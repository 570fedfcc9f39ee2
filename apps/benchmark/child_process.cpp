#include "apps/benchmark/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"

namespace bitmar {
namespace {

// What a child writes: one of these bytes, then the numbers, or the error's code byte and message.
constexpr char kNumbers = 'n';
constexpr char kError = 'e';

std::string encode(const Result<std::vector<double>>& result) {
  if (!result) return std::string{kError, static_cast<char>(result.error().code)} + result.error().message;
  std::string text{kNumbers};
  text.append(reinterpret_cast<const char*>(result->data()), result->size() * sizeof(double));
  return text;
}

Result<std::vector<double>> decode(std::string_view text) {
  if (text.starts_with(kNumbers) && text.size() % sizeof(double) == 1) {
    std::vector<double> numbers(text.size() / sizeof(double));
    if (!numbers.empty()) std::memcpy(numbers.data(), text.data() + 1, text.size() - 1);
    return numbers;
  }
  if (text.starts_with(kError) && text.size() > 1) {
    return std::unexpected(Error{static_cast<ErrorCode>(text[1]), std::string(text.substr(2))});
  }
  return fail(ErrorCode::kIo, "the process of a measurement ended early");
}

// Measures, answers and ends the process, without the destructors that belong to the parent.
[[noreturn]] void run_child(const Measurement& measurement, int out) {
  std::string answer;
  try {
    answer = encode(measurement());
  } catch (const std::exception& error) {
    answer = encode(fail(ErrorCode::kIo, "{}", error.what()));
  }
  std::string_view rest = answer;
  while (!rest.empty()) {
    const auto written = ::write(out, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) ::_exit(1);
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(0);
}

std::string read_all(int in) {
  std::string text;
  std::array<char, 4096> block;
  while (true) {
    const auto count = ::read(in, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(block.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

Result<std::vector<double>> measure_in_child(const Measurement& measurement) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return fail(ErrorCode::kIo, "no pipe for a measurement: {}", system_message(errno));
  const FileDescriptor in(ends[0]);
  FileDescriptor out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kIo, "no process for a measurement: {}", system_message(errno));
  if (child == 0) run_child(measurement, out.get());
  out = FileDescriptor();
  const std::string answer = read_all(in.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return decode({});
  return decode(answer);
}

}  // namespace bitmar
