// The left side of a product: rows as they are, or quantised.
#pragma once
#include <cstdint>

namespace teetee {

struct Rows {
  float* floats;
  int8_t* numbers;
  float* scales;         // (rows, groups)
  int32_t* corrections;  // (rows, groups)
  int64_t stride;        // from row to row of floats and of numbers: a multiple of 32
  int64_t groups;        // from row to row of scales and corrections
};

}  // namespace teetee
