// SPDX-License-Identifier: Apache-2.0
// Softmax attention of a tile of up to four queries that share keys and values.
//
// Scores hold positions in their lanes and accumulate over dimensions; values accumulate over
// positions, from the first that any query of the tile sees. Positions that a query does not see have
// weight 0, which changes no sum, so a query's result does not depend on the others in its tile.
#pragma once
#include <cmath>

#include "simd/exponential.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

constexpr int kTileQueries = 4;

struct Query {
  const float* query;  // (D,)
  float* out;          // (D,)
  float* scores;       // one per position, rounded up to kPositions
  int64_t first, end;  // visible positions
};

// Also prefetches the values of the same positions, as many bytes as the keys have: not every
// processor detects the access pattern by itself (on Zen 3, values cost three times as much then).
template <int Q, int B, class Number>
static inline void score(const Query* queries, const Number* keys, const Number* values, int64_t size, int64_t position) {
  Floats sums[Q][B];
  for (int q = 0; q < Q; q++)
    for (int b = 0; b < B; b++) sums[q][b] = splat(0);
  keys += position * size;
  values += position * round_up(size, kLanes);
  for (int64_t d = 0; d < size; d++) {
    __builtin_prefetch(values + d * B * kPositions, 0, 2);
    Floats key[B];
    for (int b = 0; b < B; b++) key[b] = load(keys + (b * size + d) * kPositions);
    for (int q = 0; q < Q; q++) {
      const Floats part = splat(queries[q].query[d]);
      for (int b = 0; b < B; b++) sums[q][b] = fma(key[b], part, sums[q][b]);
    }
  }
  for (int q = 0; q < Q; q++)
    for (int b = 0; b < B; b++) store(queries[q].scores + position + b * kPositions, sums[q][b]);
}

// Turns scores into weights of sum 1 in [first, end), and zeros elsewhere in [low, high).
static void softmax(const Query& q, float scale, int64_t low, int64_t high) {
  float* scores = q.scores;
  const int64_t begin = q.first / kPositions * kPositions, stop = round_up(q.end, kPositions);
  for (int64_t i = begin; i < q.first; i++) scores[i] = -INFINITY;
  for (int64_t i = q.end; i < stop; i++) scores[i] = -INFINITY;
  Floats largest = load(scores + begin);
  for (int64_t i = begin; i < stop; i += kLanes) largest = max(largest, load(scores + i));
  const Floats top = splat(max_lanes(largest));
  Floats total = splat(0);
  for (int64_t i = begin; i < stop; i += kLanes) {
    const Floats weight = exponential(mul(sub(load(scores + i), top), splat(scale)));
    total = add(total, weight);
    store(scores + i, weight);
  }
  const Floats whole = splat(sum_lanes(total));
  for (int64_t i = begin; i < stop; i += kLanes) store(scores + i, div(load(scores + i), whole));
  for (int64_t i = low; i < begin; i++) scores[i] = 0;
  for (int64_t i = stop; i < high; i++) scores[i] = 0;
}

template <int Q, int V, class Number>
static inline void mix_values(const Query* queries, const Number* values, int64_t size, int64_t padded, int64_t at, int64_t low, int64_t high) {
  Floats sums[Q][V];
  for (int q = 0; q < Q; q++)
    for (int v = 0; v < V; v++) sums[q][v] = splat(0);
  for (int64_t j = low; j < high; j++) {
    Floats value[V];
    for (int v = 0; v < V; v++) value[v] = load(values + j * padded + at + v * kLanes);
    for (int q = 0; q < Q; q++) {
      const Floats weight = splat(queries[q].scores[j]);
      for (int v = 0; v < V; v++) sums[q][v] = fma(value[v], weight, sums[q][v]);
    }
  }
  for (int q = 0; q < Q; q++)
    for (int v = 0; v < V; v++) store_up_to(queries[q].out, sums[q][v], at + v * kLanes, size);
}

template <int Q, class Number>
static inline void attend_tile(const Query* queries, const Number* keys, const Number* values, int64_t size, float scale) {
  int64_t low = queries[0].first, high = queries[0].end;
  for (int q = 1; q < Q; q++) {
    low = queries[q].first < low ? queries[q].first : low;
    high = queries[q].end > high ? queries[q].end : high;
  }
  const int64_t begin = low / kPositions * kPositions, stop = round_up(high, kPositions);
  int64_t at = begin;
  for (; at + kTileVectors * kPositions <= stop; at += kTileVectors * kPositions)
    score<Q, kTileVectors>(queries, keys, values, size, at);
  for (; at < stop; at += kPositions) score<Q, 1>(queries, keys, values, size, at);
  for (int q = 0; q < Q; q++) softmax(queries[q], scale, low, high);
  const int64_t padded = round_up(size, kLanes);
  int64_t d = 0;
  for (; d + kTileVectors * kLanes <= padded; d += kTileVectors * kLanes)
    mix_values<Q, kTileVectors>(queries, values, size, padded, d, low, high);
  for (; d < padded; d += kLanes) mix_values<Q, 1>(queries, values, size, padded, d, low, high);
}

// count: 1 to kTileQueries.
template <class Number>
static void attend(const Query* queries, int count, const Number* keys, const Number* values, int64_t size, float scale) {
  switch (count) {
    case 1: return attend_tile<1>(queries, keys, values, size, scale);
    case 2: return attend_tile<2>(queries, keys, values, size, scale);
    case 3: return attend_tile<3>(queries, keys, values, size, scale);
    default: return attend_tile<4>(queries, keys, values, size, scale);
  }
}

}  // namespace
