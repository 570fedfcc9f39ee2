// A run's log: every value goes to TensorBoard's event file and, scalars and texts, to `log.jsonl` in the same folder,
// one JSON object a step: {"step": 500, "time": 1700000000.1, "loss/lm": 3.2, …}. Series of vectors go there alone.
//
// Resuming cuts both files back to the checkpoint's step, so the resumed log reads as if nothing had happened.
//
//   BITMAR_TRY(RunLog log, RunLog::open("runs/a/log", resume_step));
//   log.scalar("loss/lm", loss);
//   BITMAR_TRY_VOID(log.commit(step));
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/event_writer.h"

namespace bitmar {

class RunLog {
 public:
  // `resume_step`: the number of finished steps of the checkpoint that the run continues from.
  static Result<RunLog> open(const std::string& directory, std::optional<std::uint64_t> resume_step);
  RunLog(RunLog&&) noexcept;
  RunLog& operator=(RunLog&&) noexcept;
  ~RunLog();

  // Collected until commit(). Values that are not finite are logged as such in TensorBoard and as null in JSON.
  void scalar(std::string_view tag, double value);
  void text(std::string_view tag, std::string_view value);
  // An array of the line in `log.jsonl`, rounded to four digits; TensorBoard has no place for it.
  void vector(std::string_view tag, std::span<const float> values);
  void histogram(std::string_view tag, std::span<const float> values);
  // `pixels` [height, width, channels], channels 1 or 3.
  void image(std::string_view tag, std::span<const std::uint8_t> pixels, std::uint32_t height, std::uint32_t width,
             std::uint32_t channels);
  // A matrix as a grey image, its maximum white: attention maps, slot activation. `values` [height, width], >= 0.
  void heat_map(std::string_view tag, std::span<const float> values, std::uint32_t height, std::uint32_t width);

  // Writes what was collected as of `step` finished steps. Steps must not fall. Nothing collected: nothing written.
  Result<void> commit(std::uint64_t step);
  // To the disk; before every checkpoint.
  Result<void> flush();

 private:
  struct State;
  explicit RunLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bitmar
