// The vocabulary head's products of 8-bit codes and ternary codes by AVX-512 VNNI, out of a matrix packed once: exact,
// and at about nine tenths of the processor's peak, where torch's product reaches half and packs the matrix anew each
// time.
//
//   std::vector<std::uint8_t> packed(packed_size(columns, depth));
//   pack_ternary(matrix, depth, packed);                      // once
//   packed_products(packed, depth, codes, columns, products); // for groups of tokens
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitmar {

// Whether this processor has the instructions and sums of `depth` products fit 16 bits.
[[nodiscard]] bool has_packed_products(std::size_t depth);

// Bytes of a packed matrix of `columns` rows of `depth` codes.
[[nodiscard]] std::size_t packed_size(std::size_t columns, std::size_t depth);

// matrix [columns, depth] of ternary codes -> packed [packed_size]; fastest where it is aligned to 64 bytes.
void pack_ternary(std::span<const std::int8_t> matrix, std::size_t depth, std::span<std::uint8_t> packed);

// codes [rows, depth] in [-127, 127] -> products [rows, columns], 16-bit integers. Needs has_packed_products(depth).
void packed_products(std::span<const std::uint8_t> packed, std::size_t depth, std::span<const std::int8_t> codes,
                     std::size_t columns, std::span<std::uint16_t> products);

}  // namespace bitmar
