#include "data/batch_loader.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "data/epoch_plan.h"

namespace bitmar {
namespace {

using nlohmann::json;

constexpr std::uint64_t kPositionVersion = 1;

// Where the mixture stands: for each stream the next batch, and what it has given so far in the mixture's unit.
struct StreamPosition {
  std::uint64_t epoch = 0;
  std::uint64_t batch = 0;
  std::uint64_t emitted = 0;
};
using Position = std::vector<StreamPosition>;

}  // namespace

std::uint64_t Batch::target_tokens() const {
  std::uint64_t sum = 0;
  for (const std::int64_t count : lengths) sum += count > 0 ? static_cast<std::uint64_t>(count - 1) : 0;
  return sum;
}

// The background thread owns `ahead` and `plans` while it runs; `queue` is shared under `mutex`.
struct BatchLoader::State {
  struct Made {
    Result<Batch> batch;
    Position after;
  };

  DataSettings settings;
  std::vector<Stream> streams;
  std::vector<std::optional<EpochPlan>> fixed;  // evaluation order, made on demand
  Position position;                            // after the last batch that next() gave

  std::optional<StepShare> share;  // whose features are read; none: all

  Position ahead;                // after the last batch that was made
  std::uint64_t made_ahead = 0;  // batches since a step's start
  std::vector<std::optional<std::pair<std::uint64_t, EpochPlan>>> plans;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Made> queue;
  std::jthread worker;  // last member: it stops before the rest goes

  Result<Batch> assemble(const EpochPlan& plan, std::uint32_t stream, std::uint64_t index, bool with_features) const;
  Made make();
  void work(const std::stop_token& stop);
  void stop_worker() {
    worker.request_stop();
    changed.notify_all();
    if (worker.joinable()) worker.join();
    worker = {};
    queue.clear();
    ahead = position;
    made_ahead = 0;
  }
};

Result<Batch> BatchLoader::State::assemble(const EpochPlan& plan, std::uint32_t number, std::uint64_t index,
                                           bool with_features) const {
  const Stream& stream = streams[number];
  const BatchRange range = plan.batches[index];
  const std::uint32_t width = plan.segments_per_row;
  Batch batch;
  batch.stream = number;
  batch.rows = static_cast<std::uint32_t>(range.count);
  batch.segments = width;
  const auto segment = [&](std::uint64_t row, std::uint32_t g) -> const Segment& {
    return plan.segments[plan.order[range.first + row] * width + g];
  };
  std::uint64_t longest = 0;
  for (std::uint64_t row = 0; row < range.count; ++row) {
    for (std::uint32_t g = 0; g < width; ++g) longest = std::max(longest, segment(row, g).length());
  }
  batch.length = static_cast<std::uint32_t>(longest);
  const auto end_of_text = static_cast<std::int64_t>(stream.vocabulary()) - 1;
  batch.tokens.assign(range.count * width * longest, end_of_text);
  batch.lengths.reserve(range.count * width);
  for (std::uint64_t row = 0; row < range.count; ++row) {
    for (std::uint32_t g = 0; g < width; ++g) {
      const Segment& source = segment(row, g);
      batch.lengths.push_back(static_cast<std::int64_t>(source.length()));
      auto* out = batch.tokens.data() + (row * width + g) * longest + (source.starts ? 1 : 0);
      std::ranges::copy(source.tokens, out);
    }
  }
  const std::vector<FeatureFile>& features = stream.features();
  if (!features.empty()) {
    batch.feature_tokens = features[0].tokens();
    batch.feature_width = features[0].width();
  }
  const std::size_t size = with_features ? std::size_t{batch.feature_tokens} * batch.feature_width : 0;
  batch.features.resize(range.count * size);
  for (std::uint64_t row = 0; row < range.count; ++row) {
    const Row& source = plan.rows[plan.order[range.first + row]];
    batch.images.push_back(source.image);
    if (size == 0) continue;
    BITMAR_TRY_VOID(features[source.view].read(stream.feature_row(source.image, source.view),
                                               std::span(batch.features).subspan(row * size, size)));
  }
  return batch;
}

BatchLoader::State::Made BatchLoader::State::make() {
  std::uint32_t number = 0;
  const auto filled = [&](std::uint32_t stream) {
    return static_cast<double>(ahead[stream].emitted) / streams[stream].settings().weight;
  };
  for (std::uint32_t stream = 1; stream < streams.size(); ++stream) {
    if (filled(stream) < filled(number)) number = stream;
  }
  StreamPosition& here = ahead[number];
  auto& plan = plans[number];
  if (!plan || plan->first != here.epoch) {
    plan.emplace(here.epoch, streams[number].plan(settings.seed, here.epoch, true));
  }
  Result<Batch> batch = assemble(plan->second, number, here.batch, !share || share->owns(made_ahead));
  if (!batch) return {std::move(batch), ahead};
  ++made_ahead;
  batch->epoch = here.epoch;
  switch (settings.mixture_unit) {
    case MixtureUnit::kBatches:
      here.emitted += 1;
      break;
    case MixtureUnit::kRows:
      here.emitted += batch->rows;
      break;
    case MixtureUnit::kTokens:
      here.emitted += batch->target_tokens();
      break;
  }
  if (++here.batch == plan->second.batches.size()) {
    here.batch = 0;
    ++here.epoch;
  }
  return {std::move(batch), ahead};
}

void BatchLoader::State::work(const std::stop_token& stop) {
  for (;;) {
    {
      std::unique_lock lock(mutex);
      if (!changed.wait(lock, stop, [&] { return queue.size() < settings.prefetch; })) return;
    }
    Made made = make();
    const bool failed = !made.batch;
    {
      const std::lock_guard lock(mutex);
      queue.push_back(std::move(made));
    }
    changed.notify_all();
    if (failed) return;
  }
}

BatchLoader::BatchLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}
BatchLoader::~BatchLoader() {
  state_->stop_worker();
}

Result<std::unique_ptr<BatchLoader>> BatchLoader::open(const DataSettings& settings,
                                                       const std::vector<StreamSettings>& streams, bool held_out) {
  BITMAR_TRY_VOID(settings.validate());
  if (streams.empty()) return fail(ErrorCode::kInvalidArgument, "data: no streams to read");
  auto state = std::make_unique<State>();
  state->settings = settings;
  for (const StreamSettings& stream : streams) {
    BITMAR_TRY(Stream opened, Stream::open(settings, stream, held_out));
    if (!state->streams.empty() && opened.vocabulary() != state->streams[0].vocabulary()) {
      return fail(ErrorCode::kInvalidFile, "stream '{}' was prepared with another tokenizer than '{}'", stream.name,
                  streams[0].name);
    }
    state->streams.push_back(std::move(opened));
  }
  state->fixed.resize(streams.size());
  state->plans.resize(streams.size());
  state->position.resize(streams.size());
  state->ahead = state->position;
  return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(state)));
}

void BatchLoader::read_features_of(const StepShare& share) {
  state_->share = share;
}

Result<Batch> BatchLoader::next() {
  State& state = *state_;
  if (state.settings.prefetch == 0) {
    State::Made made = state.make();
    state.position = std::move(made.after);
    return std::move(made.batch);
  }
  if (!state.worker.joinable()) {
    state.worker = std::jthread([&state](const std::stop_token& stop) { state.work(stop); });
  }
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return !state.queue.empty(); });
  if (!state.queue.front().batch) return std::unexpected(state.queue.front().batch.error());  // it stays: final
  State::Made made = std::move(state.queue.front());
  state.queue.pop_front();
  lock.unlock();
  state.changed.notify_all();
  state.position = std::move(made.after);
  return std::move(made.batch);
}

std::uint64_t BatchLoader::stream_batches(std::uint32_t stream) const {
  auto& plan = state_->fixed.at(stream);
  if (!plan) plan = state_->streams[stream].plan(state_->settings.seed, 0, false);
  return plan->batches.size();
}

Result<Batch> BatchLoader::stream_batch(std::uint32_t stream, std::uint64_t index) const {
  if (index >= stream_batches(stream)) {
    return fail(ErrorCode::kOutOfRange, "stream '{}' has no batch {}", state_->streams[stream].settings().name, index);
  }
  return state_->assemble(*state_->fixed[stream], stream, index, true);
}

const std::string& BatchLoader::image_name(std::uint32_t stream, std::int64_t image) const {
  return state_->streams[stream].image_name(image);
}

std::int64_t BatchLoader::images(std::uint32_t stream) const {
  return state_->streams[stream].images();
}

std::vector<std::span<const std::uint16_t>> BatchLoader::captions(std::uint32_t stream, std::int64_t image) const {
  return state_->streams[stream].captions(image);
}

std::string BatchLoader::position() const {
  json root = {{"version", kPositionVersion}, {"seed", state_->settings.seed}, {"streams", json::array()}};
  for (std::size_t i = 0; i < state_->streams.size(); ++i) {
    const StreamPosition& here = state_->position[i];
    root["streams"].push_back({{"name", state_->streams[i].settings().name},
                               {"fingerprint", state_->streams[i].fingerprint()},
                               {"epoch", here.epoch},
                               {"batch", here.batch},
                               {"emitted", here.emitted}});
  }
  return root.dump();
}

Result<void> BatchLoader::seek(const std::string& text) {
  const json root = json::parse(text, nullptr, false);
  Position position(state_->streams.size());
  const auto invalid = [](std::string_view why) { return fail(ErrorCode::kInvalidFile, "data position: {}", why); };
  if (!root.is_object() || root.value("version", json()) != kPositionVersion) return invalid("not one of this version");
  if (root.value("seed", json()) != state_->settings.seed) return invalid("another data.seed");
  const json streams = root.value("streams", json());
  if (!streams.is_array() || streams.size() != position.size()) return invalid("another number of streams");
  for (std::size_t i = 0; i < position.size(); ++i) {
    const json& entry = streams[i];
    const Stream& stream = state_->streams[i];
    if (!entry.is_object() || entry.value("name", json()) != stream.settings().name) return invalid("other streams");
    if (entry.value("fingerprint", json()) != stream.fingerprint()) {
      return invalid(fmt::format("the data or settings of stream '{}' have changed since", stream.settings().name));
    }
    for (const auto& [key, value] : {std::pair{"epoch", &position[i].epoch}, std::pair{"batch", &position[i].batch},
                                     std::pair{"emitted", &position[i].emitted}}) {
      const auto found = entry.find(key);
      if (found == entry.end() || !found->is_number_unsigned()) return invalid(fmt::format("key '{}' is missing", key));
      *value = found->get<std::uint64_t>();
    }
    const auto batches = stream.plan(state_->settings.seed, position[i].epoch, true).batches.size();
    if (position[i].batch >= batches) return invalid("a batch beyond the epoch's end");
  }
  state_->position = position;
  state_->stop_worker();
  state_->plans.assign(state_->streams.size(), std::nullopt);
  return {};
}

}  // namespace bitmar
