// SPDX-License-Identifier: Apache-2.0
// RMSNorm: x / sqrt(mean(x²) + epsilon) · weight. Sums per lane in input order, then across lanes.
#pragma once
#include <cmath>

#include "simd/simd.h"

namespace teetee::TEETEE_ISA {

// out may be x.
static void rms_norm(const float* x, const float* weight, float epsilon, int64_t n, float* out) {
  Floats squares = splat(0);
  for (int64_t i = 0; i < n; i += kLanes) {
    const Floats a = load_up_to(x, i, n);
    squares = fma(a, a, squares);
  }
  const Floats scale = splat(1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(n) + epsilon));
  for (int64_t i = 0; i < n; i += kLanes) {
    const Floats a = mul(load_up_to(x, i, n), scale);
    store_up_to(out, mul(load_up_to(weight, i, n), a), i, n);
  }
}

}  // namespace
