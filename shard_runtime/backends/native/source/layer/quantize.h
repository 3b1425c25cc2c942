// SPDX-License-Identifier: Apache-2.0
// Activations to int8: each group of 32 inputs of a row has its own scale, so a row's numbers
// depend on nothing but the row.
#pragma once
#include <cstring>

#include "simd/simd.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

// Below this a group counts as zero: 127 / it would not be finite.
constexpr float kSmallest = 1e-30f;

// numbers: n rounded up to groups; scales, corrections: one for each group. A correction is what
// the dot product starts from, because weights are stored plus 128.
static void quantize(const float* x, int64_t n, int8_t* numbers, float* scales, int32_t* corrections) {
  for (int64_t g = 0; g * kGroup < n; g++) {
    const int64_t at = g * kGroup, rest = n - at;
    const Floats low = load_up_to(x, at, n);
    const Floats high = rest > kLanes ? load_up_to(x, at + kLanes, n) : splat(0);
    const float largest = max_lanes(max(absolute(low), absolute(high)));
    const bool zero = !(largest >= kSmallest);
    const Floats factor = splat(zero ? 0.0f : 127.0f / largest);
    const Ints first = to_ints(mul(low, factor)), second = to_ints(mul(high, factor));
    store_bytes(numbers + at, first);
    store_bytes(numbers + at + kLanes, second);
    scales[g] = zero ? 0.0f : largest / 127.0f;
    corrections[g] = kUnsignedWeights ? -128 * sum_lanes(first, second) : 0;
  }
}

}  // namespace
