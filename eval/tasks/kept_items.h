// Measures the items of a task and keeps what was measured as predictions (eval/tasks/prediction_file.h), going on
// where an earlier run stopped.
//
//   const KeptFormat<TextLoss> format = {.id = …, .write = …, .read = …};
//   const auto run = [&](std::size_t first, const ValueSink<TextLoss>& sink) { return measure_in_order<TextLoss>(…); };
//   BITMAR_TRY(const auto losses, measure_kept(context, binding, steps.size(), format, run, advance));
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/parallel/measure_in_order.h"
#include "eval/tasks/prediction_binding.h"
#include "eval/tasks/prediction_file.h"
#include "eval/tasks/task.h"

namespace bitmar {

// What the line of an item says: its id, and what write() adds, from which read() gives the same value again.
template <typename Value>
struct KeptFormat {
  std::function<std::string(std::size_t item)> id;
  std::function<void(std::size_t item, const Value& value, nlohmann::ordered_json& line)> write;
  // nullopt: not a line of this item.
  std::function<std::optional<Value>(std::size_t item, const nlohmann::ordered_json& line)> read;
};

// An id as a file keeps it: what is not UTF-8 is replaced.
[[nodiscard]] inline nlohmann::ordered_json kept_id(const std::string& id) {
  using Json = nlohmann::ordered_json;
  return Json::parse(Json(id).dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Of an object; nullopt: it has no such number.
[[nodiscard]] inline std::optional<double> number_in(const nlohmann::ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

// Tells TaskContext::progress of the items, of so many, that came to be done. The context outlives it.
[[nodiscard]] inline std::function<void(std::size_t)> counter(const TaskContext& context, std::uint64_t total) {
  return [&context, total, done = std::uint64_t{0}](std::size_t items) mutable {
    done += items;
    if (context.progress) context.progress(done, total);
  };
}

// One value an item. run(first, sink) -> Result<std::vector<Value>> measures the items from `first` on, which may be
// none, and passes their values on in order. binding: nullopt where TaskContext::predictions is empty. advance: called
// with the number of items that came to be done, those of the earlier run first; one call at a time.
template <typename Value, typename Run>
[[nodiscard]] Result<std::vector<Value>> measure_kept(const TaskContext& context,
                                                      const std::optional<PredictionBinding>& binding,
                                                      std::size_t items, const KeptFormat<Value>& format,
                                                      const Run& run, const std::function<void(std::size_t)>& advance) {
  using Json = nlohmann::ordered_json;
  std::vector<Value> values;
  std::optional<PredictionFile> file;
  if (binding) {
    const auto take_over = [&](std::size_t item, const Json& line) {
      if (!line.contains("id") || line["id"] != kept_id(format.id(item))) return false;
      std::optional<Value> value = format.read(item, line);
      if (value) values.push_back(*std::move(value));
      return value.has_value();
    };
    BITMAR_TRY(PredictionFile opened, PredictionFile::open(context.predictions, *binding, items, take_over));
    file.emplace(std::move(opened));
  }
  advance(values.size());
  std::size_t next = values.size();
  const ValueSink<Value> sink = [&](std::span<const Value> some) -> Result<void> {
    if (file) {
      std::string lines;
      for (const Value& value : some) {
        Json line = {{"id", kept_id(format.id(next))}};
        format.write(next++, value, line);
        lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
      }
      BITMAR_TRY_VOID(file->append(lines));
    }
    advance(some.size());
    return {};
  };
  BITMAR_TRY(std::vector<Value> rest, run(values.size(), sink));
  if (file) {
    BITMAR_TRY_VOID(file->finish());
  }
  values.insert(values.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  return values;
}

}  // namespace bitmar
