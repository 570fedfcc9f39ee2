#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "data/fingerprint.h"
#include "io/safetensors.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "bitmar-checkpoint-1";
constexpr std::string_view kFilePrefix = "step-";
constexpr std::string_view kFileSuffix = ".safetensors";

constexpr std::array<std::pair<torch::ScalarType, DataType>, 10> kTypes = {{
    {torch::kBool, DataType::kBool},
    {torch::kUInt8, DataType::kU8},
    {torch::kInt8, DataType::kI8},
    {torch::kInt16, DataType::kI16},
    {torch::kInt32, DataType::kI32},
    {torch::kInt64, DataType::kI64},
    {torch::kFloat16, DataType::kF16},
    {torch::kBFloat16, DataType::kBF16},
    {torch::kFloat32, DataType::kF32},
    {torch::kFloat64, DataType::kF64},
}};

std::span<const std::byte> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

// Over all that the file says, in the order of the names: the writer orders tensors by itself.
std::string checksum_of(std::vector<SafeTensor> tensors, std::string_view step,
                        const std::map<std::string, std::string, std::less<>>& texts) {
  std::ranges::sort(tensors, {}, &SafeTensor::name);
  Fingerprint print;
  for (const SafeTensor& tensor : tensors) {
    print.add_text(tensor.name);
    print.add_number(static_cast<std::uint64_t>(tensor.type));
    print.add_number(tensor.shape.size());
    for (const std::uint64_t size : tensor.shape) print.add_number(size);
    print.add_bytes(tensor.bytes);
  }
  print.add_text("step");
  print.add_text(step);
  for (const auto& [key, text] : texts) {
    print.add_text(key);
    print.add_text(text);
  }
  return print.hex();
}

// The step of a checkpoint's file name.
std::optional<std::uint64_t> step_of(std::string_view name) {
  if (!name.starts_with(kFilePrefix) || !name.ends_with(kFileSuffix)) return std::nullopt;
  name.remove_prefix(kFilePrefix.size());
  name.remove_suffix(kFileSuffix.size());
  std::uint64_t step = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (status != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return step;
}

Result<torch::Tensor> to_torch(const SafeTensor& source, const std::string& path) {
  const auto type = std::ranges::find(kTypes, source.type, &std::pair<torch::ScalarType, DataType>::second);
  if (type == kTypes.end()) {
    return fail(ErrorCode::kUnsupported, "{}: tensor '{}' has type {}", path, source.name, data_type_name(source.type));
  }
  torch::Tensor tensor = torch::empty(std::vector<std::int64_t>(source.shape.begin(), source.shape.end()), type->first);
  if (!source.bytes.empty()) std::memcpy(tensor.data_ptr(), source.bytes.data(), source.bytes.size());
  return tensor;
}

}  // namespace

void Checkpoint::add(std::string_view prefix, const std::vector<std::pair<std::string, torch::Tensor>>& named) {
  for (const auto& [name, tensor] : named) tensors.emplace_back(std::string(prefix) + name, tensor);
}

std::vector<std::pair<std::string, torch::Tensor>> Checkpoint::with_prefix(std::string_view prefix) const {
  std::vector<std::pair<std::string, torch::Tensor>> found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  }
  return found;
}

Result<torch::Tensor> Checkpoint::tensor(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &std::pair<std::string, torch::Tensor>::first);
  if (found == tensors.end()) return fail(ErrorCode::kNotFound, "checkpoint: tensor '{}' is missing", name);
  return found->second;
}

Result<std::string> Checkpoint::text(std::string_view key) const {
  const auto found = texts.find(key);
  if (found == texts.end()) return fail(ErrorCode::kNotFound, "checkpoint: '{}' is missing", key);
  return found->second;
}

Result<void> save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  std::vector<torch::Tensor> kept;  // their memory backs the writer's spans
  kept.reserve(checkpoint.tensors.size());
  SafeTensorsWriter writer;
  std::vector<SafeTensor> entries;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto type = std::ranges::find(kTypes, tensor.scalar_type(), &std::pair<torch::ScalarType, DataType>::first);
    if (type == kTypes.end()) {
      return fail(ErrorCode::kUnsupported, "{}: tensor '{}' has a type that is not stored", path, name);
    }
    kept.push_back(tensor.detach().cpu().contiguous());
    const std::vector<std::uint64_t> shape(tensor.sizes().begin(), tensor.sizes().end());
    writer.add_tensor(name, type->second, shape, bytes_of(kept.back()));
    entries.push_back({name, type->second, shape, bytes_of(kept.back())});
  }
  const std::string step = std::to_string(checkpoint.step);
  for (const auto& [key, text] : checkpoint.texts) writer.set_metadata(key, text);
  writer.set_metadata("format", kFormat);
  writer.set_metadata("step", step);
  writer.set_metadata("checksum", checksum_of(std::move(entries), step, checkpoint.texts));
  return writer.write(path);
}

Result<Checkpoint> load_checkpoint(const std::string& path) {
  BITMAR_TRY(const SafeTensorsFile file, SafeTensorsFile::open(path));
  const auto& metadata = file.metadata();
  const auto value = [&](std::string_view key) -> std::string_view {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string_view() : std::string_view(found->second);
  };
  if (value("format") != kFormat) return fail(ErrorCode::kInvalidFile, "{}: not a checkpoint of this trainer", path);
  Checkpoint checkpoint;
  const std::string_view step = value("step");
  const auto [end, status] = std::from_chars(step.data(), step.data() + step.size(), checkpoint.step);
  if (step.empty() || status != std::errc() || end != step.data() + step.size()) {
    return fail(ErrorCode::kInvalidFile, "{}: its step is no number", path);
  }
  for (const SafeTensor& source : file.tensors()) {
    BITMAR_TRY(torch::Tensor tensor, to_torch(source, path));
    checkpoint.tensors.emplace_back(source.name, std::move(tensor));
  }
  for (const auto& [key, text] : metadata) {
    if (key != "format" && key != "step" && key != "checksum") checkpoint.texts.emplace(key, text);
  }
  if (value("checksum") != checksum_of(file.tensors(), step, checkpoint.texts)) {
    return fail(ErrorCode::kInvalidFile, "{}: damaged: its checksum does not match", path);
  }
  return checkpoint;
}

Result<void> CheckpointStore::save(const Checkpoint& checkpoint) const {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return fail(ErrorCode::kIo, "{}: cannot create the folder: {}", directory_, error.message());
  BITMAR_TRY_VOID(
      save_checkpoint(fmt::format("{}/{}{:08}{}", directory_, kFilePrefix, checkpoint.step, kFileSuffix), checkpoint));
  if (keep_ == 0) return {};
  BITMAR_TRY(const auto paths, list());
  for (std::size_t i = keep_; i < paths.size(); ++i) {
    fs::remove(paths[i], error);
    if (error) return fail(ErrorCode::kIo, "{}: cannot remove it: {}", paths[i], error.message());
  }
  return {};
}

Result<std::vector<std::string>> CheckpointStore::list() const {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::error_code error;
  if (!fs::exists(directory_, error)) return std::vector<std::string>();
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    if (const auto step = step_of(entry->path().filename().string())) found.emplace_back(*step, entry->path().string());
  }
  if (error) return fail(ErrorCode::kIo, "{}: cannot list it: {}", directory_, error.message());
  std::ranges::sort(found, std::ranges::greater());
  std::vector<std::string> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

Result<Checkpoint> CheckpointStore::load_latest(bool fall_back, std::vector<Error>* skipped) const {
  BITMAR_TRY(const auto paths, list());
  for (const std::string& path : paths) {
    auto checkpoint = load_checkpoint(path);
    if (checkpoint || !fall_back) return checkpoint;
    if (skipped != nullptr) skipped->push_back(checkpoint.error());
  }
  return fail(ErrorCode::kNotFound, "{}: no {}checkpoint in it", directory_, paths.empty() ? "" : "undamaged ");
}

Result<Checkpoint> open_checkpoint(const std::string& path) {
  if (!fs::is_directory(path)) return load_checkpoint(path);
  return CheckpointStore((fs::path(path) / "checkpoints").string(), 0).load_latest(false);
}

std::vector<std::pair<std::string, torch::Tensor>> torch_random_state() {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  const auto add = [&](const std::string& name, at::Generator generator) {
    const std::lock_guard lock(generator.mutex());
    state.emplace_back(name, generator.get_state());
  };
  add("cpu", at::globalContext().defaultGenerator(torch::kCPU));
  if (torch::cuda::is_available()) {
    for (torch::DeviceIndex device = 0; device < torch::cuda::device_count(); ++device) {
      const torch::Device cuda(torch::kCUDA, device);
      add(fmt::format("cuda.{}", device), at::globalContext().defaultGenerator(cuda));
    }
  }
  return state;
}

void restore_torch_random_state(const std::vector<std::pair<std::string, torch::Tensor>>& state) {
  for (const auto& [name, tensor] : state) {
    torch::Device device(torch::kCPU);
    if (name.starts_with("cuda.")) {
      const int index = std::stoi(name.substr(5));
      if (index >= torch::cuda::device_count()) continue;  // fewer devices than then
      device = torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
    }
    at::Generator generator = at::globalContext().defaultGenerator(device);
    const std::lock_guard lock(generator.mutex());
    generator.set_state(tensor);
  }
}

}  // namespace bitmar
