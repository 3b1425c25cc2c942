// SPDX-License-Identifier: Apache-2.0
// Rows times a packed float32 matrix: one sum per output, in input order.
#pragma once
#include "rows.h"
#include "simd/simd.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

template <int R, int H, int S>
static inline void float_tile(const uint8_t* const (&panels)[S], int64_t half, const Rows& x, int64_t row, int64_t columns, Prefetch prefetch, Floats (&totals)[S][R][H]) {
  for (int s = 0; s < S; s++)
    for (int r = 0; r < R; r++)
      for (int h = 0; h < H; h++) totals[s][r][h] = splat(0);
  const float* inputs = x.floats + row * x.stride;
  for (int64_t k = 0; k < columns; k++) {
    constexpr int64_t kStepBytes = kPanel * sizeof(float);
    for (int s = 0; s < S; s++) {
      const uint8_t* step = panels[s] + k * kStepBytes;
      for (int64_t at = prefetch.first; at < kStepBytes; at += prefetch.step) __builtin_prefetch(step + prefetch.distance + at, 0, 2);
      Floats weights[H];
      for (int h = 0; h < H; h++) weights[h] = load(reinterpret_cast<const float*>(step) + (half + h) * kLanes);
      for (int r = 0; r < R; r++) {
        const Floats input = splat(inputs[r * x.stride + k]);
        for (int h = 0; h < H; h++) totals[s][r][h] = fma(weights[h], input, totals[s][r][h]);
      }
    }
  }
}

}  // namespace
