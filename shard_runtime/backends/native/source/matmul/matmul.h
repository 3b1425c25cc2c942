// SPDX-License-Identifier: Apache-2.0
// Matrix products by panels and rows. Panels are the outer loop, so that weights are read once.
#pragma once
#include "matmul/matmul_float.h"
#include "matmul/matmul_int8.h"

namespace teetee::TEETEE_ISA {

struct Product {
  const Matrix* matrix;
  const Rows* x;
  float* out;
  int64_t stride;    // of out, from row to row
  bool accumulates;  // adds to out instead of overwriting it
};

constexpr int64_t kLine = 64;
// While one panel is computed for several tiles of rows, the next is prefetched into the second-level
// cache. With several streams of panels, the processor detects each stream and little is prefetched.
constexpr int64_t kMaxPrefetchBytes = 32 << 10;
constexpr int64_t kMaxPrefetchSharers = 4;  // tiles of rows that share the prefetching

static inline Prefetch prefetch_for(int64_t bytes, int64_t streams, int64_t half, int64_t turn, int64_t turns) {
  const bool whole = streams == 1 && bytes <= kMaxPrefetchBytes;
  const int64_t sharers = !whole ? 1 : turns < kMaxPrefetchSharers ? turns : kMaxPrefetchSharers;
  const int64_t never = INT64_MAX / 2;
  const int64_t distance = streams > 1 ? kStreamAhead : whole ? bytes : kMaxPrefetchBytes;
  return {distance, distance && half == 0 && turn < sharers ? turn * kLine : never, sharers * kLine};
}

static inline void store_outputs(const Product& p, int64_t row, int64_t at, Floats total) {
  const Matrix& m = *p.matrix;
  if (at >= m.rows) return;
  float* out = p.out + row * p.stride;
  if (m.bias) total = add(total, load_up_to(m.bias, at, m.rows));
  if (p.accumulates) total = add(load_up_to(out, at, m.rows), total);
  store_up_to(out, total, at, m.rows);
}

// Computes R rows of `rows`, from `row` on, of S panels at a distance of `panel_distance` panels.
template <int R, int H, int S>
static inline void tile(const Product& p, int64_t panel, int64_t panel_distance, int64_t half, int64_t row, int64_t rows) {
  const Matrix& m = *p.matrix;
  const int64_t bytes = panel_bytes(m.columns, m.precision);
  const uint8_t* panels[S];
  for (int s = 0; s < S; s++) panels[s] = m.data + (panel + s * panel_distance) * bytes;
  Floats totals[S][R][H];
  if (m.precision == kInt8) {
    const Prefetch prefetch = prefetch_for(bytes, S, half, row / kTileRows, round_up(rows, kTileRows) / kTileRows);
    int8_tile<R, H, S>(panels, half, *p.x, row, round_up(m.columns, kGroup) / kGroup, prefetch, totals);
  } else {
    const Prefetch prefetch = prefetch_for(bytes, S, half, row / kFloatTileRows, round_up(rows, kFloatTileRows) / kFloatTileRows);
    float_tile<R, H, S>(panels, half, *p.x, row, m.columns, prefetch, totals);
  }
  for (int s = 0; s < S; s++)
    for (int h = 0; h < H; h++)
      for (int r = 0; r < R; r++)
        store_outputs(p, row + r, (panel + s * panel_distance) * kPanel + (half + h) * kLanes, totals[s][r][h]);
}

// Computes both halves of a panel at once if their totals fit into registers: memory is then read in
// order, and the work per input is done once.
template <int R, int S, int Totals>
static inline void panel_tile(const Product& p, int64_t panel, int64_t panel_distance, int64_t row, int64_t rows) {
  constexpr int H = 2 * R <= Totals ? 2 : 1;
  for (int64_t half = 0; half < 2; half += H) tile<R, H, S>(p, panel, panel_distance, half, row, rows);
}

// Computes the rows beyond whole tiles, in one smaller tile of at most R.
template <int R, int S, int Totals>
static inline void remaining_rows(const Product& p, int64_t panel, int64_t panel_distance, int64_t row, int64_t rows) {
  if constexpr (R > 0) {
    if (rows - row == R) panel_tile<R, S, Totals>(p, panel, panel_distance, row, rows);
    else remaining_rows<R - 1, S, Totals>(p, panel, panel_distance, row, rows);
  }
}

template <int R, int S, int Totals>
static inline void all_rows(const Product& p, int64_t panel, int64_t panel_distance, int64_t rows) {
  int64_t row = 0;
  for (; row + R <= rows; row += R) panel_tile<R, S, Totals>(p, panel, panel_distance, row, rows);
  remaining_rows<R - 1, S, Totals>(p, panel, panel_distance, row, rows);
}

// Computes panels in S streams of consecutive panels, and the remaining panels one by one.
template <int R, int S, int Totals>
static void multiply_in(const Product& p, int64_t rows, int64_t first, int64_t end) {
  const int64_t panel_distance = (end - first) / S;
  for (int64_t panel = first; panel < first + panel_distance; panel++) all_rows<R, S, Totals>(p, panel, panel_distance, rows);
  for (int64_t panel = first + panel_distance * S; panel < end; panel++) all_rows<R, 1, Totals>(p, panel, 0, rows);
}

// The number of streams: all of them if the totals of R rows fit, otherwise one.
constexpr int streams_for(int R, int max_totals) { return 2 * R * kStreams <= max_totals ? kStreams : 1; }

// Up to R rows are computed in one tile, so that each weight is read once; `StreamTotals` is their limit.
template <int R, int Totals, int StreamTotals>
static void multiply_rows(const Product& p, int64_t rows, int64_t first, int64_t end) {
  if constexpr (R > 1) {
    if (rows < R) return multiply_rows<R - 1, Totals, StreamTotals>(p, rows, first, end);
  }
  if (rows == R) multiply_in<R, streams_for(R, StreamTotals), Totals>(p, rows, first, end);
  else multiply_in<R, streams_for(R, Totals), Totals>(p, rows, first, end);
}

// Computes panels [first, end) of the product.
static void multiply(const Product& p, int64_t rows, int64_t first, int64_t end) {
  if (p.matrix->precision == kInt8) multiply_rows<kTileRows, kTileTotals, kStreamTotals>(p, rows, first, end);
  else multiply_rows<kFloatTileRows, kFloatTileTotals, kFloatStreamTotals>(p, rows, first, end);
}

// Computes this thread's share of the panels.
static void multiply_share(const Product& p, int64_t rows, int thread, int threads) {
  const int64_t panels = round_up(p.matrix->rows, kPanel) / kPanel;
  multiply(p, rows, panels * thread / threads, panels * (thread + 1) / threads);
}

}  // namespace
