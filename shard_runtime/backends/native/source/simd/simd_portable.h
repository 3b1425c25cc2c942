// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in plain C++ for any machine. Without FMA in hardware `fmaf` is a slow call, but exact.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "simd/half.h"

namespace teetee::TEETEE_ISA {

constexpr bool kUnsignedWeights = false;
constexpr int kTileRows = 1, kTileTotals = 1;
constexpr int kFloatTileRows = 1, kFloatTileTotals = 1;
constexpr int kStreams = 1, kStreamTotals = kTileTotals, kFloatStreamTotals = kFloatTileTotals;
constexpr int64_t kStreamAhead = 0;
constexpr int kTileVectors = 1;

struct Floats { float v[16]; };
struct Ints { int32_t v[16]; };
struct Bytes { int8_t v[64]; };

#define TEETEE_EACH(Type, expression)       \
  Type result;                              \
  for (int i = 0; i < 16; i++) result.v[i] = (expression); \
  return result

static inline Floats load(const float* p) { TEETEE_EACH(Floats, p[i]); }
static inline Floats load(const uint16_t* p) { TEETEE_EACH(Floats, half_to_float(p[i])); }
static inline Floats load_part(const float* p, int64_t n) { TEETEE_EACH(Floats, i < n ? p[i] : 0.0f); }
static inline void store(float* p, Floats a) { std::memcpy(p, a.v, sizeof a.v); }
static inline void store(uint16_t* p, Floats a) {
  for (int i = 0; i < 16; i++) p[i] = float_to_half(a.v[i]);
}
static inline void store_part(float* p, Floats a, int64_t n) { std::memcpy(p, a.v, n * sizeof(float)); }
static inline Floats splat(float x) { TEETEE_EACH(Floats, x); }
static inline Floats add(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] + b.v[i]); }
static inline Floats sub(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] - b.v[i]); }
static inline Floats mul(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] * b.v[i]); }
static inline Floats div(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] / b.v[i]); }
static inline Floats fma(Floats a, Floats b, Floats c) { TEETEE_EACH(Floats, std::fmaf(a.v[i], b.v[i], c.v[i])); }
static inline Floats max(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
static inline Floats min(Floats a, Floats b) { TEETEE_EACH(Floats, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
static inline Floats absolute(Floats a) { TEETEE_EACH(Floats, std::fabs(a.v[i])); }
static inline Floats round(Floats a) { TEETEE_EACH(Floats, std::nearbyintf(a.v[i])); }
static inline Floats power_of_two(Floats n) {
  Floats result;
  for (int i = 0; i < 16; i++) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n.v[i]) + 127) << 23;
    std::memcpy(&result.v[i], &bits, 4);
  }
  return result;
}
static inline Floats zero_below(Floats a, Floats x, float limit) { TEETEE_EACH(Floats, x.v[i] >= limit ? a.v[i] : 0.0f); }
// Adds halves, in the order of the vector units.
static inline float sum_lanes(Floats a) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; i++) a.v[i] += a.v[i + width];
  return a.v[0];
}
static inline float max_lanes(Floats a) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; i++) a.v[i] = a.v[i] > a.v[i + width] ? a.v[i] : a.v[i + width];
  return a.v[0];
}

static inline Ints splat_int(int32_t x) { TEETEE_EACH(Ints, x); }
static inline Ints to_ints(Floats a) { TEETEE_EACH(Ints, static_cast<int32_t>(std::lrintf(a.v[i]))); }
static inline Floats to_floats(Ints a) { TEETEE_EACH(Floats, static_cast<float>(a.v[i])); }
static inline int32_t sum_lanes(Ints, Ints) { return 0; }
static inline void store_bytes(int8_t* p, Ints a) {
  for (int i = 0; i < 16; i++) p[i] = static_cast<int8_t>(a.v[i]);
}
static inline Bytes load_bytes(const uint8_t* p) {
  Bytes result;
  for (int i = 0; i < 64; i++) result.v[i] = static_cast<int8_t>(p[i] ^ 0x80);
  return result;
}
static inline Ints dot(Ints sums, Bytes weights, int32_t inputs) {
  int8_t x[4];
  std::memcpy(x, &inputs, 4);
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 4; k++) sums.v[i] += weights.v[4 * i + k] * x[k];
  return sums;
}

#undef TEETEE_EACH

}  // namespace
