// SPDX-License-Identifier: Apache-2.0
// e^x within 2 units in the last place, by the polynomial of Cephes' expf.
#pragma once
#include "simd/simd.h"

namespace teetee::TEETEE_ISA {

// Zero below kMin; constant above kMax.
static inline Floats exponential(Floats x) {
  constexpr float kMin = -87.0f, kMax = 88.0f;
  const Floats bounded = max(min(x, splat(kMax)), splat(kMin));
  const Floats n = round(mul(bounded, splat(1.44269504088896341f)));
  Floats r = fma(n, splat(-0.693359375f), bounded);  // ln 2 in two parts
  r = fma(n, splat(2.12194440e-4f), r);
  Floats p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), splat(1));
  return zero_below(mul(p, power_of_two(n)), x, kMin);
}

}  // namespace
