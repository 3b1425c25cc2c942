// SPDX-License-Identifier: Apache-2.0
// The structures of the C interface. views.py in shard_runtime/backends/native repeats them field by
// field; kAbi changes with them.
#pragma once
#include <cstdint>

#include "layout.h"

namespace teetee {

constexpr int32_t kAbi = 1;
constexpr int64_t kRowsPerPass = 128;  // bounds the scratch memory

// (rows, columns) in torch's order: `columns` inputs, `rows` outputs.
//
// int8: by panel, by group: kPanel float16 scales; then, for every kInputsPerDot inputs, their numbers
// of output 0, of output 1, … Numbers are stored plus 128, because VNNI needs one unsigned factor.
// float32: by panel, by input: kPanel numbers. Outputs beyond `rows` are zero.
struct Matrix {
  uint8_t* data;
  const float* bias;  // (rows,) or null
  int64_t rows;
  int64_t columns;
  int32_t precision;
  int32_t unused;
};

struct Layer {
  const float* attention_norm;
  const float* query_norm;  // (head_size,) or null
  const float* key_norm;
  const float* mlp_norm;
  Matrix query_key_value;
  Matrix output;
  Matrix gate_up;
  Matrix down;
  int64_t window;  // number of visible positions, including the own one; 0 for all
};

struct Model {
  const Layer* layers;
  int64_t layer_count;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t head_count;
  int64_t kv_head_count;
  int64_t head_size;
  const float* cosines;  // (positions, head_size / 2)
  const float* sines;
  int64_t positions;
  float norm_epsilon;
  int32_t precision;  // also of the cache: float16 for int8 weights, float32 for float32
};

// Consecutive rows of one run: positions [first, first + rows).
//
// A cache stores, by layer and key-value head: the keys by block of kPositions, then by dimension, so
// that a product needs no sum across lanes; then the values by position, padded to kLanes.
struct Span {
  uint8_t* cache;
  int64_t capacity;  // a multiple of kPositions
  int64_t first;
  int64_t rows;
};

struct Head {
  const float* norm;
  Matrix matrix;
  float norm_epsilon;
  int32_t unused;
};

}  // namespace teetee
