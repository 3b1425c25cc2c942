// SPDX-License-Identifier: Apache-2.0
// float16 conversion in software, with the same bits as F16C for everything but NaN.
#pragma once
#include <cstdint>
#include <cstring>

namespace teetee {

static inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
  float value;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
    value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  const uint32_t bits = sign | wide << 23 | fraction << 13;
  std::memcpy(&value, &bits, 4);
  return value;
}

// Rounds to nearest, ties to even.
static inline uint16_t float_to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000;
  bits &= 0x7fffffff;
  if (bits >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 65536 and more: infinite
  if (bits < 0x38800000) {  // below 2^-14: adding 0.5 rounds to multiples of 2^-24
    float size;
    std::memcpy(&size, &bits, 4);
    size += 0.5f;
    std::memcpy(&bits, &size, 4);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000));
  }
  bits += 0xfff + ((bits >> 13) & 1);
  return static_cast<uint16_t>(sign | ((bits - 0x38000000) >> 13));
}

}  // namespace teetee
