// SPDX-License-Identifier: Apache-2.0
// The layout of packed weights and of KV caches. layout.py in shard_runtime/backends/native repeats
// these constants; kAbi of views.h changes with them.
#pragma once
#include <cstdint>

namespace teetee {

enum Precision : int32_t { kFloat32 = 0, kInt8 = 1 };

constexpr int64_t kLanes = 16;          // numbers that the kernels compute together
constexpr int64_t kPanel = 2 * kLanes;  // outputs stored together
constexpr int64_t kGroup = 32;          // int8: inputs that share a scale
constexpr int64_t kScaleBytes = 2;      // int8: a scale is a float16
constexpr int kInputsPerDot = 4;        // int8: inputs that one instruction multiplies and adds
constexpr int64_t kPositions = kLanes;  // positions whose keys are stored together

// int8: one group of a panel, first the scales, then the numbers.
constexpr int64_t kScalesBytes = kPanel * kScaleBytes;
constexpr int64_t kBlockBytes = kScalesBytes + kPanel * kGroup;

constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The distance from one panel of a matrix to the next.
constexpr int64_t panel_bytes(int64_t columns, int32_t precision) {
  if (precision == kInt8) return round_up(columns, kGroup) / kGroup * kBlockBytes;
  return columns * kPanel * static_cast<int64_t>(sizeof(float));
}

}  // namespace teetee
