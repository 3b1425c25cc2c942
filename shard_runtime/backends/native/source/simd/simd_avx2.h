// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes as two registers of AVX2 with FMA and F16C.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace teetee::TEETEE_ISA {

constexpr bool kUnsignedWeights = false;
constexpr int kTileRows = 2, kTileTotals = 8;            // int8: sums in 8 of sixteen registers; totals spill
constexpr int kFloatTileRows = 6, kFloatTileTotals = 6;  // 12 totals, 2 weights, 1 input
// One core reads two streams in four fifths of the time of one (Zen 3); four streams would gain less
// than their totals cost.
constexpr int kStreams = 2, kStreamTotals = kTileTotals, kFloatStreamTotals = kFloatTileTotals;
constexpr int64_t kStreamAhead = kBlockBytes;  // int8: one group
constexpr int kTileVectors = 1;

struct Floats { __m256 low, high; };
struct Ints { __m256i low, high; };
struct Bytes { __m256i low, high; };

static inline Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline Floats load(const uint16_t* p) {
  const __m128i* halves = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
static inline void store(float* p, Floats a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}
static inline void store(uint16_t* p, Floats a) {
  __m128i* halves = reinterpret_cast<__m128i*>(p);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(a.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(a.high, _MM_FROUND_TO_NEAREST_INT));
}
static inline Floats load_part(const float* p, int64_t n) {
  float whole[16] = {};
  std::memcpy(whole, p, n * sizeof(float));
  return load(whole);
}
static inline void store_part(float* p, Floats a, int64_t n) {
  float whole[16];
  store(whole, a);
  std::memcpy(p, whole, n * sizeof(float));
}
static inline Floats splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
static inline Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
static inline Floats sub(Floats a, Floats b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
static inline Floats mul(Floats a, Floats b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
static inline Floats div(Floats a, Floats b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
static inline Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
static inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
static inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
static inline Floats absolute(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
static inline Floats round(Floats a) {
  constexpr int kind = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.low, kind), _mm256_round_ps(a.high, kind)};
}
static inline __m256 power_of_two(__m256 n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
static inline Floats power_of_two(Floats n) { return {power_of_two(n.low), power_of_two(n.high)}; }
static inline Floats zero_below(Floats a, Floats x, float limit) {
  const __m256 least = _mm256_set1_ps(limit);
  return {_mm256_and_ps(a.low, _mm256_cmp_ps(x.low, least, _CMP_GE_OQ)),
          _mm256_and_ps(a.high, _mm256_cmp_ps(x.high, least, _CMP_GE_OQ))};
}
static inline float sum_lanes(Floats a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
static inline float max_lanes(Floats a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline Ints splat_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
static inline Ints to_ints(Floats a) { return {_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high)}; }
static inline Floats to_floats(Ints a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
static inline int32_t sum_lanes(Ints, Ints) { return 0; }  // needed only for unsigned weights
static inline void store_bytes(int8_t* p, Ints a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.low, a.high), 0xD8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
static inline Bytes load_bytes(const uint8_t* p) {
  const __m256i* halves = reinterpret_cast<const __m256i*>(p);
  const __m256i flip = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(_mm256_loadu_si256(halves), flip), _mm256_xor_si256(_mm256_loadu_si256(halves + 1), flip)};
}
// |x| · sign(x) w: two products of at most 127 × 127 fit into 16 bits, so nothing saturates.
static inline __m256i dot(__m256i sums, __m256i weights, __m256i inputs, __m256i sizes) {
  const __m256i pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(weights, inputs));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
static inline Ints dot(Ints sums, Bytes weights, int32_t inputs) {
  const __m256i four = _mm256_set1_epi32(inputs), sizes = _mm256_abs_epi8(four);
  return {dot(sums.low, weights.low, four, sizes), dot(sums.high, weights.high, four, sizes)};
}

}  // namespace
