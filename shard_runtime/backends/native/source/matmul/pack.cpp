// SPDX-License-Identifier: Apache-2.0
#include "matmul/pack.h"

#include <cmath>
#include <cstring>

#include "simd/half.h"

namespace teetee {

namespace {

uint8_t* block_of(const Matrix& m, int64_t row, int64_t group) {
  const int64_t groups = round_up(m.columns, kGroup) / kGroup;
  return m.data + (row / kPanel * groups + group) * kBlockBytes;
}

// The offset of input k of a group for output `lane` of the panel.
int64_t offset_of(int64_t lane, int64_t k) {
  return kScalesBytes + k / kInputsPerDot * kInputsPerDot * kPanel + lane * kInputsPerDot + k % kInputsPerDot;
}

// The smallest float16 that is at least `scale`, so that 127 steps reach the largest number. A group
// that already has a float16 scale (GGUF's Q8_0) keeps it and loses nothing.
uint16_t half_rounded_up(float scale) {
  const uint16_t half = float_to_half(scale);
  return half_to_float(half) < scale ? half + 1 : half;
}

bool put_group(const Matrix& m, int64_t row, int64_t group, const float* numbers, int64_t count) {
  float largest = 0;
  for (int64_t k = 0; k < count; k++) {
    if (!std::isfinite(numbers[k])) return false;
    largest = std::fmax(largest, std::fabs(numbers[k]));
  }
  const uint16_t half = half_rounded_up(largest / 127.0f);
  if (half >= 0x7c00) return false;
  uint8_t* block = block_of(m, row, group);
  const int64_t lane = row % kPanel;
  std::memcpy(block + kScaleBytes * lane, &half, kScaleBytes);
  const float scale = half_to_float(half);
  for (int64_t k = 0; k < count; k++) {
    const long number = scale > 0 ? std::lrintf(numbers[k] / scale) : 0;
    block[offset_of(lane, k)] = static_cast<uint8_t>(number + 128);
  }
  return true;
}

bool put_floats(const Matrix& m, int64_t row, const float* numbers) {
  float* panel = reinterpret_cast<float*>(m.data) + row / kPanel * m.columns * kPanel + row % kPanel;
  for (int64_t k = 0; k < m.columns; k++) {
    if (!std::isfinite(numbers[k])) return false;
    panel[k * kPanel] = numbers[k];
  }
  return true;
}

}  // namespace

int64_t matrix_bytes(int64_t rows, int64_t columns, int32_t precision) {
  return round_up(rows, kPanel) / kPanel * panel_bytes(columns, precision);
}

void clear_matrix(const Matrix& m) {
  const int64_t bytes = matrix_bytes(m.rows, m.columns, m.precision);
  std::memset(m.data, m.precision == kInt8 ? 128 : 0, bytes);
  if (m.precision != kInt8) return;
  for (int64_t at = 0; at < bytes; at += kBlockBytes) std::memset(m.data + at, 0, kScalesBytes);
}

bool put_rows(const Matrix& m, int64_t first, int64_t count, const float* numbers) {
  for (int64_t row = first; row < first + count; row++, numbers += m.columns) {
    if (m.precision != kInt8) {
      if (!put_floats(m, row, numbers)) return false;
      continue;
    }
    for (int64_t at = 0; at < m.columns; at += kGroup) {
      const int64_t remaining = m.columns - at;
      if (!put_group(m, row, at / kGroup, numbers + at, remaining < kGroup ? remaining : kGroup)) return false;
    }
  }
  return true;
}

void get_row(const Matrix& m, int64_t row, float* numbers) {
  const int64_t lane = row % kPanel;
  if (m.precision != kInt8) {
    const float* panel = reinterpret_cast<const float*>(m.data) + row / kPanel * m.columns * kPanel + lane;
    for (int64_t k = 0; k < m.columns; k++) numbers[k] = panel[k * kPanel];
    return;
  }
  for (int64_t k = 0; k < m.columns; k++) {
    const uint8_t* block = block_of(m, row, k / kGroup);
    uint16_t half;
    std::memcpy(&half, block + kScaleBytes * lane, kScaleBytes);
    const int number = block[offset_of(lane, k % kGroup)] - 128;
    numbers[k] = half_to_float(half) * static_cast<float>(number);
  }
}

}  // namespace teetee
