// SPDX-License-Identifier: Apache-2.0
// Rotary embedding: rotates the first half of a head against its second half.
#pragma once
#include "simd/simd.h"

namespace teetee::TEETEE_ISA {

static void rope(float* head, const float* cosines, const float* sines, int64_t half) {
  for (int64_t i = 0; i < half; i += kLanes) {
    const Floats first = load_up_to(head, i, half), second = load_up_to(head + half, i, half);
    const Floats c = load_up_to(cosines, i, half), s = load_up_to(sines, i, half);
    store_up_to(head, sub(mul(first, c), mul(second, s)), i, half);
    store_up_to(head + half, add(mul(second, c), mul(first, s)), i, half);
  }
}

}  // namespace
