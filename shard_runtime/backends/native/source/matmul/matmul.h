// SPDX-License-Identifier: Apache-2.0
// A product's walk over panels and rows: the panel outside, so that weights come from memory once.
#pragma once
#include "matmul/matmul_float.h"
#include "matmul/matmul_int8.h"

namespace teetee::TEETEE_ISA {

struct Product {
  const Matrix* matrix;
  const Rows* x;
  float* out;
  int64_t stride;  // from row to row of out
  bool adds;       // to what out holds
};

constexpr int64_t kLine = 64;
// While one panel is computed for several tiles of rows, the next comes into the second-level cache.
// Where panels take turns, the processor sees each stream by itself, and at most a little is asked
// for.
constexpr int64_t kFarthest = 32 << 10;  // bytes
constexpr int64_t kSharers = 4;          // tiles of rows that share the asking

static inline Ahead ahead_of(int64_t bytes, int64_t streams, int64_t half, int64_t turn, int64_t turns) {
  const bool whole = streams == 1 && bytes <= kFarthest;
  const int64_t sharers = !whole ? 1 : turns < kSharers ? turns : kSharers;
  const int64_t never = INT64_MAX / 2;
  const int64_t distance = streams > 1 ? kStreamAhead : whole ? bytes : kFarthest;
  return {distance, distance && half == 0 && turn < sharers ? turn * kLine : never, sharers * kLine};
}

static inline void write_out(const Product& p, int64_t row, int64_t at, Floats total) {
  const Matrix& m = *p.matrix;
  if (at >= m.rows) return;
  float* out = p.out + row * p.stride;
  if (m.bias) total = add(total, load_up_to(m.bias, at, m.rows));
  if (p.adds) total = add(load_up_to(out, at, m.rows), total);
  store_up_to(out, total, at, m.rows);
}

// R rows from `row` on, of `rows`; of S panels, `apart` panels from each other.
template <int R, int H, int S>
static inline void tile(const Product& p, int64_t panel, int64_t apart, int64_t half, int64_t row, int64_t rows) {
  const Matrix& m = *p.matrix;
  const int64_t bytes = panel_bytes(m.columns, m.precision);
  const uint8_t* panels[S];
  for (int s = 0; s < S; s++) panels[s] = m.data + (panel + s * apart) * bytes;
  Floats totals[S][R][H];
  if (m.precision == kInt8) {
    const Ahead ahead = ahead_of(bytes, S, half, row / kTileRows, round_up(rows, kTileRows) / kTileRows);
    int8_tile<R, H, S>(panels, half, *p.x, row, round_up(m.columns, kGroup) / kGroup, ahead, totals);
  } else {
    const Ahead ahead = ahead_of(bytes, S, half, row / kFloatTileRows, round_up(rows, kFloatTileRows) / kFloatTileRows);
    float_tile<R, H, S>(panels, half, *p.x, row, m.columns, ahead, totals);
  }
  for (int s = 0; s < S; s++)
    for (int h = 0; h < H; h++)
      for (int r = 0; r < R; r++)
        write_out(p, row + r, (panel + s * apart) * kPanel + (half + h) * kLanes, totals[s][r][h]);
}

// Both halves of a panel at once as long as their totals fit: the memory is then read in order, and
// what is done for each input is done once.
template <int R, int S, int Totals>
static inline void panel_tile(const Product& p, int64_t panel, int64_t apart, int64_t row, int64_t rows) {
  constexpr int H = 2 * R <= Totals ? 2 : 1;
  for (int64_t half = 0; half < 2; half += H) tile<R, H, S>(p, panel, apart, half, row, rows);
}

// Rows beyond whole tiles, in one smaller tile of at most R.
template <int R, int S, int Totals>
static inline void last_rows(const Product& p, int64_t panel, int64_t apart, int64_t row, int64_t rows) {
  if constexpr (R > 0) {
    if (rows - row == R) panel_tile<R, S, Totals>(p, panel, apart, row, rows);
    else last_rows<R - 1, S, Totals>(p, panel, apart, row, rows);
  }
}

template <int R, int S, int Totals>
static inline void all_rows(const Product& p, int64_t panel, int64_t apart, int64_t rows) {
  int64_t row = 0;
  for (; row + R <= rows; row += R) panel_tile<R, S, Totals>(p, panel, apart, row, rows);
  last_rows<R - 1, S, Totals>(p, panel, apart, row, rows);
}

// In S streams, each of neighbouring panels; panels left over by themselves.
template <int R, int S, int Totals>
static void multiply_in(const Product& p, int64_t rows, int64_t first, int64_t end) {
  const int64_t apart = (end - first) / S;
  for (int64_t panel = first; panel < first + apart; panel++) all_rows<R, S, Totals>(p, panel, apart, rows);
  for (int64_t panel = first + apart * S; panel < end; panel++) all_rows<R, 1, Totals>(p, panel, 0, rows);
}

// As many streams as may be, if the totals of R rows have room.
constexpr int streams_of(int R, int room) { return 2 * R * kStreams <= room ? kStreams : 1; }

// Few rows are computed at once, so that each weight is read once: `room` is for them.
template <int R, int Totals, int Room>
static void multiply_rows(const Product& p, int64_t rows, int64_t first, int64_t end) {
  if constexpr (R > 1) {
    if (rows < R) return multiply_rows<R - 1, Totals, Room>(p, rows, first, end);
  }
  if (rows == R) multiply_in<R, streams_of(R, Room), Totals>(p, rows, first, end);
  else multiply_in<R, streams_of(R, Totals), Totals>(p, rows, first, end);
}

// Panels [first, end) of the product.
static void multiply(const Product& p, int64_t rows, int64_t first, int64_t end) {
  if (p.matrix->precision == kInt8) multiply_rows<kTileRows, kTileTotals, kStreamTotals>(p, rows, first, end);
  else multiply_rows<kFloatTileRows, kFloatTileTotals, kFloatStreamTotals>(p, rows, first, end);
}

// This thread's share of the panels.
static void multiply_share(const Product& p, int64_t rows, int thread, int threads) {
  const int64_t panels = round_up(p.matrix->rows, kPanel) / kPanel;
  multiply(p, rows, panels * thread / threads, panels * (thread + 1) / threads);
}

}  // namespace
