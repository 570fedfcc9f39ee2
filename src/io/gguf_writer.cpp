#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <ranges>
#include <type_traits>

#include "base/checked.h"
#include "io/atomic_file.h"
#include "io/gguf.h"
#include "io/gguf_layout.h"

namespace bitmar {
namespace {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

constexpr std::size_t padding_after(std::size_t size) {
  return (gguf::kDefaultAlignment - size % gguf::kDefaultAlignment) % gguf::kDefaultAlignment;
}

class ByteSink {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void number(T value) { append(std::as_bytes(std::span(&value, 1))); }
  void string(std::string_view text) {
    number<std::uint64_t>(text.size());
    append(std::as_bytes(std::span(text)));
  }
  void append(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void pad() { bytes_.resize(bytes_.size() + padding_after(bytes_.size())); }
  std::vector<std::byte> take() && { return std::move(bytes_); }

  template <typename T>
  void scalar(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      string(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      number<std::uint8_t>(value ? 1 : 0);
    } else {
      number(value);
    }
  }

  void value(const GgufValue& value) {
    std::visit(
        [&]<typename T>(const T& typed) {
          if constexpr (IsVector<T>::value) {
            number(gguf::kArrayType);
            number(gguf::scalar_type_number(value.index() - gguf::kScalarTypes));
            number<std::uint64_t>(typed.size());
            for (const auto& element : typed) scalar<typename T::value_type>(element);
          } else {
            number(gguf::scalar_type_number(value.index()));
            scalar(typed);
          }
        },
        value);
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

GgufWriter::GgufWriter(std::string_view architecture) {
  set(gguf::kArchitectureKey, std::string(architecture));
  set(gguf::kAlignmentKey, gguf::kDefaultAlignment);
}

void GgufWriter::set(std::string_view key, GgufValue value) {
  const auto existing =
      std::ranges::find(metadata_, key, [](const auto& entry) { return std::string_view(entry.first); });
  if (existing != metadata_.end()) {
    existing->second = std::move(value);
  } else {
    metadata_.emplace_back(key, std::move(value));
  }
}

void GgufWriter::add_tensor(std::string_view name, GgufType type, std::vector<std::uint64_t> shape,
                            std::span<const std::byte> bytes) {
  assert(!name.empty() && name.size() <= gguf::kMaximumNameBytes);
  assert(!shape.empty() && shape.size() <= gguf::kMaximumDimensions);
  assert(checked_product(shape) && *checked_product(shape) * gguf_type_size(type) == bytes.size());
  assert(std::ranges::none_of(tensors_, [&](const Tensor& tensor) { return tensor.name == name; }));
  tensors_.push_back({std::string(name), type, std::move(shape), {bytes.begin(), bytes.end()}});
}

std::vector<std::byte> GgufWriter::header() const {
  ByteSink sink;
  sink.number(gguf::kMagic);
  sink.number(gguf::kVersion);
  sink.number<std::uint64_t>(tensors_.size());
  sink.number<std::uint64_t>(metadata_.size());
  for (const auto& [key, value] : metadata_) {
    sink.string(key);
    sink.value(value);
  }
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors_) {
    sink.string(tensor.name);
    sink.number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (const auto extent : tensor.shape | std::views::reverse) sink.number(extent);
    sink.number(static_cast<std::uint32_t>(tensor.type));
    sink.number(offset);
    offset += tensor.bytes.size() + padding_after(tensor.bytes.size());
  }
  sink.pad();
  return std::move(sink).take();
}

Result<void> GgufWriter::write(const std::string& path) const {
  constexpr std::array<std::byte, gguf::kDefaultAlignment> kZeros{};
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(header()));
  for (const auto& tensor : tensors_) {
    BITMAR_TRY_VOID(file.write(tensor.bytes));
    BITMAR_TRY_VOID(file.write(std::span(kZeros).first(padding_after(tensor.bytes.size()))));
  }
  return file.commit();
}

std::vector<std::byte> GgufWriter::serialize() const {
  ByteSink sink;
  sink.append(header());
  for (const auto& tensor : tensors_) {
    sink.append(tensor.bytes);
    sink.pad();
  }
  return std::move(sink).take();
}

}  // namespace bitmar
