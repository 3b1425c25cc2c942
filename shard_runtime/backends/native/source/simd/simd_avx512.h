// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in AVX-512 with VNNI. The three simd_*.h give the same bits for the same calls.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace teetee::TEETEE_ISA {

constexpr bool kUnsignedWeights = true;  // the dot product expects weights plus 128
constexpr int kTileRows = 4, kTileTotals = 8;  // int8: as many sums, of 32 registers
constexpr int kFloatTileRows = 8, kFloatTileTotals = 16;
// One core reads eight streams in seven eighths of the time of one (Ice Lake), for up to four rows,
// whose 64 totals spill. The processor prefetches by itself; explicit prefetching costs 2 %.
constexpr int kStreams = 8, kStreamTotals = 64, kFloatStreamTotals = 64;
constexpr int64_t kStreamAhead = 0;
constexpr int kTileVectors = 4;  // attention: vectors per step for each of up to four queries

struct Floats { __m512 v; };
struct Ints { __m512i v; };
struct Bytes { __m512i v; };  // weights: four inputs of sixteen outputs

static inline __mmask16 lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
static inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
static inline Floats load(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
static inline Floats load_part(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(lanes(n), p)}; }
static inline void store(float* p, Floats a) { _mm512_storeu_ps(p, a.v); }
static inline void store(uint16_t* p, Floats a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void store_part(float* p, Floats a, int64_t n) { _mm512_mask_storeu_ps(p, lanes(n), a.v); }
static inline Floats splat(float x) { return {_mm512_set1_ps(x)}; }
static inline Floats add(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline Floats sub(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline Floats mul(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline Floats div(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
static inline Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
static inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
static inline Floats absolute(Floats a) { return {_mm512_abs_ps(a.v)}; }
static inline Floats round(Floats a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// 2 to the power of whole numbers from -126 to 127.
static inline Floats power_of_two(Floats n) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
// a where x >= limit, otherwise zero.
static inline Floats zero_below(Floats a, Floats x, float limit) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, _mm512_set1_ps(limit), _CMP_GE_OQ), a.v)};
}
static inline float sum_lanes(Floats a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
static inline float max_lanes(Floats a) { return _mm512_reduce_max_ps(a.v); }

static inline Ints splat_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
static inline Ints to_ints(Floats a) { return {_mm512_cvtps_epi32(a.v)}; }
static inline Floats to_floats(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }
static inline int32_t sum_lanes(Ints a, Ints b) { return _mm512_reduce_add_epi32(_mm512_add_epi32(a.v, b.v)); }
static inline void store_bytes(int8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(a.v));
}
static inline Bytes load_bytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
// sums + weights · four inputs, exactly.
static inline Ints dot(Ints sums, Bytes weights, int32_t inputs) {
  return {_mm512_dpbusd_epi32(sums.v, weights.v, _mm512_set1_epi32(inputs))};
}

}  // namespace
