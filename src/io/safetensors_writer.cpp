#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>

#include "base/checked.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"

namespace bitmar {

void SafeTensorsWriter::set_metadata(std::string_view key, std::string_view value) {
  metadata_.insert_or_assign(std::string(key), std::string(value));
}

void SafeTensorsWriter::add_tensor(std::string_view name, DataType type, std::vector<std::uint64_t> shape,
                                   std::span<const std::byte> bytes) {
  assert(checked_product(shape) && *checked_product(shape) * data_type_size(type) == bytes.size());
  assert(name != "__metadata__");
  assert(std::ranges::none_of(tensors_, [&](const SafeTensor& tensor) { return tensor.name == name; }));
  tensors_.push_back({std::string(name), type, std::move(shape), bytes});
}

Result<void> SafeTensorsWriter::write(const std::string& path) const {
  std::vector<const SafeTensor*> order;
  for (const auto& tensor : tensors_) order.push_back(&tensor);
  std::ranges::stable_sort(order, std::greater{},
                           [](const SafeTensor* tensor) { return data_type_size(tensor->type); });

  auto document = nlohmann::ordered_json::object();
  if (!metadata_.empty()) document["__metadata__"] = metadata_;
  std::uint64_t offset = 0;
  for (const auto* tensor : order) {
    const std::uint64_t end = offset + tensor->bytes.size();
    document[tensor->name] = {
        {"dtype", data_type_name(tensor->type)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Metadata may hold a user's bytes: what is not UTF-8 becomes U+FFFD rather than an exception.
  std::string header = document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of 8

  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  const std::uint64_t length = header.size();
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(&length, 1))));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(header))));
  for (const auto* tensor : order) BITMAR_TRY_VOID(file.write(tensor->bytes));
  return file.commit();
}

}  // namespace bitmar
