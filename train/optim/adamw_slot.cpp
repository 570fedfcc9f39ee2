#include "optim/adamw_slot.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "optim/adamw_kernels.h"
#include "optim/block_quantizer.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

constexpr std::int64_t kSmallestQuantized = 4096;
constexpr std::int64_t kGrain = 1 << 15;  // elements a thread takes at least
constexpr auto kBlock = static_cast<std::int64_t>(kQuantizationBlock);

template <typename T>
std::span<T> values_of(const torch::Tensor& tensor) {
  return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

AdamWFactors factors_at(double step, double rate, const AdamWSettings& settings) {
  return {.keep = 1.0f,
          .beta1 = static_cast<float>(settings.beta1),
          .beta2 = static_cast<float>(settings.beta2),
          .rate = static_cast<float>(rate / (1.0 - std::pow(settings.beta1, step))),
          .root_scale = static_cast<float>(std::sqrt(1.0 - std::pow(settings.beta2, step))),
          .epsilon = static_cast<float>(settings.epsilon)};
}

// Torch's counterparts of block_quantizer.h, for any device. values [elements]
torch::Tensor levels_on(std::span<const float> levels, const torch::Tensor& like) {
  return torch::tensor(at::ArrayRef<float>(levels.data(), levels.size())).to(like.device());
}

torch::Tensor in_blocks(const torch::Tensor& values) {
  const std::int64_t padding = (kBlock - values.numel() % kBlock) % kBlock;
  return torch::constant_pad_nd(values, {0, padding}).view({-1, kBlock});
}

torch::Tensor dequantize(const torch::Tensor& codes, const torch::Tensor& scale, const torch::Tensor& levels) {
  const torch::Tensor values = levels.index_select(0, codes.to(torch::kInt64));
  return (in_blocks(values) * scale.unsqueeze(1)).flatten().narrow(0, 0, codes.numel());
}

// Codes of magnitudes in [0, 1] among `levels`, the lower one halfway.
torch::Tensor nearest(const torch::Tensor& magnitudes, const torch::Tensor& levels) {
  const std::int64_t count = levels.numel();
  return torch::bucketize(magnitudes, (levels.narrow(0, 0, count - 1) + levels.narrow(0, 1, count - 1)) * 0.5);
}

void quantize(const torch::Tensor& values, bool with_sign, const torch::Tensor& levels, torch::Tensor& codes,
              torch::Tensor& scale) {
  const torch::Tensor blocks = in_blocks(values);
  scale.copy_(blocks.abs().amax(1));
  const torch::Tensor divisor = torch::where(scale > 0, scale, torch::ones_like(scale)).unsqueeze(1);
  const torch::Tensor scaled = (blocks / divisor).flatten().narrow(0, 0, values.numel());
  torch::Tensor code;
  if (with_sign) {
    const torch::Tensor positive = levels.narrow(0, kSignedZero, levels.numel() - kSignedZero);
    const torch::Tensor magnitude = nearest(scaled.abs(), positive);
    code = torch::where(values < 0, kSignedZero - magnitude.clamp_max(kSignedZero), kSignedZero + magnitude);
  } else {
    code = nearest(scaled, levels);
    code = torch::where((values > 0) & (code == 0), torch::ones_like(code), code);
  }
  codes.copy_(code);
}

}  // namespace

AdamW::Slot::Slot(const NamedParameter& parameter, const ParameterGroup& owner, std::size_t owner_index)
    : name(parameter.name),
      value(parameter.value.detach()),
      leaf(parameter.value),
      group(owner_index),
      decays(owner.weight_decay),
      rate_multiplier(owner.learning_rate_multiplier),
      row_sparse(owner.row_sparse) {
  TORCH_CHECK(value.scalar_type() == torch::kFloat32 && value.is_contiguous(), "optimizer: parameter '", name,
              "' must be contiguous FP32");
  TORCH_CHECK(!row_sparse || value.dim() == 2, "optimizer: row-sparse parameter '", name, "' must be a matrix");
  TORCH_CHECK(!row_sparse || owner.state == StatePrecision::kFloat32, "optimizer: row-sparse group '", owner.name,
              "' must keep 32-bit state");
  const auto like = value.options();
  quantized = owner.state == StatePrecision::kBlockwise8 && value.numel() >= kSmallestQuantized;
  steps = torch::zeros({1}, torch::kInt64);
  if (quantized) {
    const std::int64_t blocks = (value.numel() + kBlock - 1) / kBlock;
    first = torch::full({value.numel()}, kSignedZero, like.dtype(torch::kUInt8));
    second = torch::zeros({value.numel()}, like.dtype(torch::kUInt8));
    first_scale = torch::zeros({blocks}, like);
    second_scale = torch::zeros({blocks}, like);
    first_levels = levels_on(signed_levels(), value);
    second_levels = levels_on(unsigned_levels(), value);
  } else {
    first = torch::zeros_like(value);
    second = torch::zeros_like(value);
  }
  if (row_sparse) {
    clock = torch::zeros({value.size(0)}, like.dtype(torch::kInt64));
    decay = torch::zeros({1}, torch::kFloat64);
    row_decay = torch::zeros({value.size(0)}, like.dtype(torch::kFloat64));
    rows = torch::zeros_like(value);
    touched = torch::zeros({value.size(0)}, like.dtype(torch::kBool));
  }
}

void AdamW::Slot::add_rows(const torch::Tensor& indices, const torch::Tensor& values) {
  TORCH_CHECK(row_sparse, "optimizer: '", name, "' is not row-sparse");
  TORCH_CHECK(indices.dim() == 1 && indices.scalar_type() == torch::kInt64 && values.dim() == 2 &&
                  values.size(0) == indices.size(0) && values.size(1) == value.size(1),
              "optimizer: row gradient of '", name, "' must be int64 [n] and [n, ", value.size(1), "]");
  if (!value.is_cpu()) {
    rows.index_add_(0, indices, values.to(torch::kFloat32));
    touched.index_fill_(0, indices, true);
    return;
  }
  const torch::Tensor index = indices.contiguous();
  const torch::Tensor source = values.to(torch::kFloat32).contiguous();
  const auto width = static_cast<std::size_t>(value.size(1));
  bool* const marks = touched.data_ptr<bool>();
  for (std::int64_t i = 0; i < index.size(0); ++i) {
    const std::int64_t row = index.data_ptr<std::int64_t>()[i];
    TORCH_CHECK(row >= 0 && row < value.size(0), "optimizer: row ", row, " of '", name, "' does not exist");
    const float* const from = source.data_ptr<float>() + static_cast<std::size_t>(i) * width;
    float* const to = rows.data_ptr<float>() + static_cast<std::size_t>(row) * width;
    for (std::size_t column = 0; column < width; ++column) to[column] += from[column];
    marks[row] = true;
  }
}

void AdamW::Slot::collect_rows() {
  torch::Tensor& gradient = leaf.mutable_grad();
  if (!gradient.defined()) return;
  if (gradient.is_sparse()) {
    // Elsewhere the host would wait to know how many rows there are.
    const torch::Tensor sums = value.is_cpu() ? gradient.coalesce() : gradient;
    add_rows(sums._indices()[0], sums._values());
  } else {
    rows.add_(gradient);
    touched.fill_(true);
  }
  gradient = torch::Tensor();
}

torch::Tensor AdamW::Slot::touched_rows() const {
  return touched.nonzero().flatten();
}

void AdamW::Slot::clear_gradient() {
  leaf.mutable_grad() = torch::Tensor();
  if (!row_sparse) return;
  if (value.is_cpu()) {
    const torch::Tensor indices = touched_rows();
    const auto width = static_cast<std::size_t>(value.size(1));
    for (const std::int64_t row : values_of<std::int64_t>(indices)) {
      std::fill_n(rows.data_ptr<float>() + static_cast<std::size_t>(row) * width, width, 0.0f);
    }
  } else {
    rows.zero_();
  }
  touched.fill_(false);
}

torch::Tensor AdamW::Slot::gradient_norm() const {
  if (!row_sparse) return leaf.grad().defined() ? leaf.grad().norm() : torch::Tensor();
  if (!value.is_cpu()) return rows.norm();
  const torch::Tensor indices = touched_rows();
  const auto width = static_cast<std::size_t>(value.size(1));
  double sum = 0;
  for (const std::int64_t row : values_of<std::int64_t>(indices)) {
    const std::span<const float> values(rows.data_ptr<float>() + static_cast<std::size_t>(row) * width, width);
    for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  }
  return torch::scalar_tensor(std::sqrt(sum), torch::kFloat64);
}

void AdamW::Slot::scale_gradient(double factor) {
  if (!row_sparse) {
    if (leaf.grad().defined()) leaf.mutable_grad().mul_(factor);
    return;
  }
  if (!value.is_cpu()) {
    rows.mul_(factor);
    return;
  }
  const torch::Tensor indices = touched_rows();
  const auto width = static_cast<std::size_t>(value.size(1));
  for (const std::int64_t row : values_of<std::int64_t>(indices)) {
    float* const values = rows.data_ptr<float>() + static_cast<std::size_t>(row) * width;
    for (std::size_t i = 0; i < width; ++i) values[i] *= static_cast<float>(factor);
  }
}

void AdamW::Slot::step(double rate, const AdamWSettings& settings) {
  const double own_rate = rate * rate_multiplier;
  if (row_sparse) {
    step_rows(own_rate, settings);
  } else if (leaf.grad().defined()) {
    step_dense(own_rate, settings);
  }
}

void AdamW::Slot::step_dense(double rate, const AdamWSettings& settings) {
  const std::int64_t step = ++*steps.data_ptr<std::int64_t>();
  AdamWFactors factors = factors_at(static_cast<double>(step), rate, settings);
  if (decays) factors.keep = static_cast<float>(1.0 - rate * settings.weight_decay);
  TORCH_CHECK(!leaf.grad().is_sparse(), "optimizer: '", name, "' has a sparse gradient but is not row-sparse");
  const torch::Tensor gradient = leaf.grad().to(torch::kFloat32).contiguous();
  if (value.is_cpu() && settings.fused) {
    step_dense_fused(factors, gradient);
  } else {
    step_dense_torch(factors, gradient);
  }
}

void AdamW::Slot::step_dense_fused(const AdamWFactors& factors, const torch::Tensor& gradient) {
  const auto g = values_of<float>(gradient);
  const auto w = values_of<float>(value);
  if (!quantized) {
    const auto m = values_of<float>(first);
    const auto v = values_of<float>(second);
    at::parallel_for(0, value.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      const auto from = static_cast<std::size_t>(begin);
      const auto count = static_cast<std::size_t>(end - begin);
      adamw_update(factors, g.subspan(from, count), w.subspan(from, count), m.subspan(from, count),
                   v.subspan(from, count));
    });
    return;
  }
  const auto m = values_of<std::uint8_t>(first);
  const auto r = values_of<std::uint8_t>(second);
  const auto m_scale = values_of<float>(first_scale);
  const auto r_scale = values_of<float>(second_scale);
  at::parallel_for(0, first_scale.numel(), kGrain / kBlock, [&](std::int64_t begin, std::int64_t end) {
    for (auto block = static_cast<std::size_t>(begin); block < static_cast<std::size_t>(end); ++block) {
      const std::size_t from = block * kQuantizationBlock;
      const std::size_t count = std::min(kQuantizationBlock, g.size() - from);
      adamw_update_block(factors, g.subspan(from, count), w.subspan(from, count), m.subspan(from, count),
                         m_scale[block], r.subspan(from, count), r_scale[block]);
    }
  });
}

void AdamW::Slot::step_dense_torch(const AdamWFactors& factors, const torch::Tensor& gradient) {
  torch::Tensor m = quantized ? dequantize(first, first_scale, first_levels).view_as(value) : first;
  torch::Tensor v = quantized ? dequantize(second, second_scale, second_levels).square().view_as(value) : second;
  m.mul_(factors.beta1).add_(gradient, 1.0f - factors.beta1);
  v.mul_(factors.beta2).addcmul_(gradient, gradient, 1.0f - factors.beta2);
  const torch::Tensor root = v.sqrt();
  value.mul_(factors.keep).addcdiv_(m, root / factors.root_scale + factors.epsilon, -factors.rate);
  if (!quantized) return;
  quantize(m.flatten(), true, first_levels, first, first_scale);
  quantize(root.flatten(), false, second_levels, second, second_scale);
}

void AdamW::Slot::step_rows(double rate, const AdamWSettings& settings) {
  collect_rows();
  ++*steps.data_ptr<std::int64_t>();
  if (decays) *decay.data_ptr<double>() += std::log1p(-rate * settings.weight_decay);
  if (value.is_cpu() && settings.fused) {
    step_rows_fused(touched_rows(), rate, settings);
  } else {
    step_rows_torch(rate, settings);
  }
}

void AdamW::Slot::step_rows_fused(const torch::Tensor& indices, double rate, const AdamWSettings& settings) {
  const auto list = values_of<std::int64_t>(indices);
  const auto width = static_cast<std::size_t>(value.size(1));
  const double total = *decay.data_ptr<double>();
  const auto row_of = [&](const torch::Tensor& tensor, std::int64_t row) {
    return std::span(tensor.data_ptr<float>() + static_cast<std::size_t>(row) * width, width);
  };
  at::parallel_for(
      0, indices.numel(), kGrain / static_cast<std::int64_t>(width) + 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t row = list[static_cast<std::size_t>(i)];
          const auto ticks = static_cast<double>(++clock.data_ptr<std::int64_t>()[row]);
          double& brought = row_decay.data_ptr<double>()[row];
          AdamWFactors factors = factors_at(ticks, rate, settings);
          factors.keep = static_cast<float>(std::exp(total - brought));
          brought = total;
          adamw_update(factors, row_of(rows, row), row_of(value, row), row_of(first, row), row_of(second, row));
        }
      });
}

// All rows, of which the touched ones are kept: the host need not know which they are.
void AdamW::Slot::step_rows_torch(double rate, const AdamWSettings& settings) {
  const double total = *decay.data_ptr<double>();
  clock.add_(touched);
  const torch::Tensor times = clock.clamp_min(1).to(torch::kFloat64);
  const auto column = [](const torch::Tensor& values) { return values.to(torch::kFloat32).unsqueeze(1); };
  const torch::Tensor rates = column(rate / (1.0 - torch::pow(settings.beta1, times)));
  const torch::Tensor root_scale = column((1.0 - torch::pow(settings.beta2, times)).sqrt());
  const torch::Tensor keep = column((total - row_decay).exp());
  row_decay.masked_fill_(touched, total);
  const auto beta1 = static_cast<float>(settings.beta1);
  const auto beta2 = static_cast<float>(settings.beta2);
  const torch::Tensor m = (first * beta1).add_(rows, 1.0f - beta1);
  const torch::Tensor v = (second * beta2).addcmul_(rows, rows, 1.0f - beta2);
  const torch::Tensor moved = value * keep - rates * m / (v.sqrt() / root_scale + static_cast<float>(settings.epsilon));
  const torch::Tensor mask = touched.unsqueeze(1);
  first.copy_(torch::where(mask, m, first));
  second.copy_(torch::where(mask, v, second));
  value.copy_(torch::where(mask, moved, value));
}

void AdamW::Slot::apply_pending_decay() {
  if (!row_sparse) return;
  const double total = *decay.data_ptr<double>();
  value.mul_((total - row_decay).exp().to(torch::kFloat32).unsqueeze(1));
  row_decay.fill_(total);
}

NamedTensors AdamW::Slot::state() const {
  NamedTensors all = {{"steps", steps}};
  if (quantized) {
    all.insert(all.end(), {{"first_codes", first},
                           {"first_scale", first_scale},
                           {"second_codes", second},
                           {"second_scale", second_scale}});
  } else {
    all.insert(all.end(), {{"first", first}, {"second", second}});
  }
  if (row_sparse) all.insert(all.end(), {{"clock", clock}, {"decay", decay}, {"row_decay", row_decay}});
  return all;
}

}  // namespace bitmar
