// SPDX-License-Identifier: Apache-2.0
// The left side of a product, in float32 and optionally quantised; and prefetching.
#pragma once
#include <cstdint>

namespace teetee {

struct Rows {
  float* floats;
  int8_t* numbers;
  float* scales;         // (rows, groups)
  int32_t* corrections;  // (rows, groups)
  int64_t stride;        // from row to row of floats and of numbers: a multiple of kGroup
  int64_t groups;        // from row to row of scales and corrections
};

// Which cache lines of a step a tile prefetches, from `distance` on. Tiles that read the same weights
// share the lines.
struct Prefetch {
  int64_t distance;
  int64_t first, step;
};

}  // namespace teetee
