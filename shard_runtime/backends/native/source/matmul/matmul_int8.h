// SPDX-License-Identifier: Apache-2.0
// Rows times a packed int8 matrix. Per output: exact sums of kGroup products, each times both scales,
// added in the order of the groups. The tile size does not change this order.
#pragma once
#include <cstring>

#include "rows.h"
#include "simd/simd.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

constexpr int kDots = kGroup / kInputsPerDot, kDotBytes = kPanel * kInputsPerDot;
static_assert(kInputsPerDot == 4 && kDots == 8);  // four_bytes and the unrolled loop

static inline int32_t four_bytes(const int8_t* p) {
  int32_t four;
  std::memcpy(&four, p, 4);
  return four;
}

// Computes R rows from `row` on, and H times sixteen outputs from `half` on of each of S panels, which
// alternate group by group.
template <int R, int H, int S>
static inline void int8_tile(const uint8_t* const (&panels)[S], int64_t half, const Rows& x, int64_t row, int64_t groups, Prefetch prefetch, Floats (&totals)[S][R][H]) {
  for (int s = 0; s < S; s++)
    for (int r = 0; r < R; r++)
      for (int h = 0; h < H; h++) totals[s][r][h] = splat(0);
  for (int64_t turn = 0; turn < groups * S; turn++) {
    const int64_t g = turn / S, s = turn % S;
    const uint8_t* block = panels[s] + g * kBlockBytes;
    const int8_t* inputs = x.numbers + row * x.stride + g * kGroup;
    for (int64_t at = prefetch.first; at < kBlockBytes; at += prefetch.step) __builtin_prefetch(block + prefetch.distance + at, 0, 2);
    Ints sums[R][H];
    for (int r = 0; r < R; r++) {
      const Ints start = splat_int(kUnsignedWeights ? x.corrections[(row + r) * x.groups + g] : 0);
      for (int h = 0; h < H; h++) sums[r][h] = start;
    }
#pragma GCC unroll 8
    for (int step = 0; step < kDots; step++) {
      Bytes weights[H];
      for (int h = 0; h < H; h++) weights[h] = load_bytes(block + kScalesBytes + step * kDotBytes + (half + h) * (kDotBytes / 2));
      for (int r = 0; r < R; r++) {
        const int32_t four = four_bytes(inputs + r * x.stride + step * kInputsPerDot);
        for (int h = 0; h < H; h++) sums[r][h] = dot(sums[r][h], weights[h], four);
      }
    }
    for (int h = 0; h < H; h++) {
      const Floats scale = load(reinterpret_cast<const uint16_t*>(block) + (half + h) * kLanes);
      for (int r = 0; r < R; r++) {
        const Floats both = mul(scale, splat(x.scales[(row + r) * x.groups + g]));
        totals[s][r][h] = fma(to_floats(sums[r][h]), both, totals[s][r][h]);
      }
    }
  }
}

}  // namespace
