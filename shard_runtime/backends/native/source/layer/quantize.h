// SPDX-License-Identifier: Apache-2.0
// Quantises activations to int8. Each group of kGroup inputs (layout.h) of a row has its own scale, so a row's
// numbers depend only on the row.
#pragma once
#include <cstring>

#include "simd/simd.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

// A group whose largest number is smaller counts as zero: 127 / largest would not be finite.
constexpr float kMinLargest = 1e-30f;

// numbers: n rounded up to groups; scales, corrections: one per group. The dot product starts from the
// correction, because weights are stored plus 128.
static void quantize(const float* x, int64_t n, int8_t* numbers, float* scales, int32_t* corrections) {
  static_assert(kGroup == 2 * kLanes);
  for (int64_t g = 0; g * kGroup < n; g++) {
    const int64_t at = g * kGroup, remaining = n - at;
    const Floats low = load_up_to(x, at, n);
    const Floats high = remaining > kLanes ? load_up_to(x, at + kLanes, n) : splat(0);
    const float largest = max_lanes(max(absolute(low), absolute(high)));
    const bool zero = !(largest >= kMinLargest);
    const Floats factor = splat(zero ? 0.0f : 127.0f / largest);
    const Ints first = to_ints(mul(low, factor)), second = to_ints(mul(high, factor));
    store_bytes(numbers + at, first);
    store_bytes(numbers + at + kLanes, second);
    scales[g] = zero ? 0.0f : largest / 127.0f;
    corrections[g] = kUnsignedWeights ? -128 * sum_lanes(first, second) : 0;
  }
}

}  // namespace
