// SPDX-License-Identifier: Apache-2.0
// SwiGLU, the activation of the MLP: gate / (1 + e^-gate) · up.
#pragma once
#include "simd/exponential.h"

namespace teetee::TEETEE_ISA {

static void silu(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const Floats x = load_up_to(gate, i, n);
    const Floats below = add(splat(1), exponential(sub(splat(0), x)));
    store_up_to(out, mul(div(x, below), load_up_to(up, i, n)), i, n);
  }
}

}  // namespace
