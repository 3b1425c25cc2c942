// A product's walk over panels and rows: the panel outside, so that weights come from memory once.
#pragma once
#include "matmul_float.h"
#include "matmul_int8.h"

namespace teetee::TEETEE_ISA {

struct Product {
  const Matrix* matrix;
  const Rows* x;
  float* out;
  int64_t stride;  // from row to row of out
  bool adds;       // to what out holds
};

constexpr int64_t kLine = 64;
// While one panel is computed, the next comes into the second-level cache: one to four rows then
// take as long as the memory needs (measured: 4 rows 5.2 ms instead of 8.9 for 143 MB).
constexpr int64_t kFarthest = 32 << 10;  // bytes
constexpr int64_t kSharers = 4;          // tiles of rows that share the asking

static inline Ahead ahead_of(int64_t panel_bytes, int64_t half, int64_t turn, int64_t turns) {
  const bool whole = panel_bytes <= kFarthest;
  const int64_t sharers = !whole ? 1 : turns < kSharers ? turns : kSharers;
  const int64_t never = INT64_MAX / 2;
  return {whole ? panel_bytes : kFarthest, half == 0 && turn < sharers ? turn * kLine : never, sharers * kLine};
}

// R rows from `row` on, of `rows`.
template <int R, int H>
static inline void tile(const Product& p, int64_t panel, int64_t half, int64_t row, int64_t rows) {
  const Matrix& m = *p.matrix;
  Floats totals[R][H];
  if (m.precision == kInt8) {
    const int64_t groups = round_up(m.columns, kGroup) / kGroup, bytes = groups * kBlockBytes;
    const Ahead ahead = ahead_of(bytes, half, row / kTileRows, round_up(rows, kTileRows) / kTileRows);
    int8_tile<R, H>(m.data + panel * bytes, half, *p.x, row, groups, ahead, totals);
  } else {
    const int64_t bytes = m.columns * kPanel * static_cast<int64_t>(sizeof(float));
    const Ahead ahead = ahead_of(bytes, half, row / kFloatTileRows, round_up(rows, kFloatTileRows) / kFloatTileRows);
    float_tile<R, H>(reinterpret_cast<const float*>(m.data + panel * bytes), half, *p.x, row, m.columns, ahead, totals);
  }
  for (int h = 0; h < H; h++) {
    const int64_t at = panel * kPanel + (half + h) * kLanes;
    if (at >= m.rows) return;
    for (int r = 0; r < R; r++) {
      float* out = p.out + (row + r) * p.stride;
      Floats total = totals[r][h];
      if (m.bias) total = add(total, load_up_to(m.bias, at, m.rows));
      if (p.adds) total = add(load_up_to(out, at, m.rows), total);
      store_up_to(out, total, at, m.rows);
    }
  }
}

// Both halves of a panel at once as long as their totals fit: the memory is then read in order, and
// what is done for each input is done once.
template <int R, int Totals>
static inline void panel_tile(const Product& p, int64_t panel, int64_t row, int64_t rows) {
  constexpr int H = 2 * R <= Totals ? 2 : 1;
  for (int64_t half = 0; half < 2; half += H) tile<R, H>(p, panel, half, row, rows);
}

// Rows beyond whole tiles, in one smaller tile of at most R.
template <int R, int Totals>
static inline void last_rows(const Product& p, int64_t panel, int64_t row, int64_t rows) {
  if constexpr (R > 0) {
    if (rows - row == R) panel_tile<R, Totals>(p, panel, row, rows);
    else last_rows<R - 1, Totals>(p, panel, row, rows);
  }
}

template <int R, int Totals>
static void multiply_by(const Product& p, int64_t rows, int64_t first, int64_t end) {
  for (int64_t panel = first; panel < end; panel++) {
    int64_t row = 0;
    for (; row + R <= rows; row += R) panel_tile<R, Totals>(p, panel, row, rows);
    last_rows<R - 1, Totals>(p, panel, row, rows);
  }
}

// Panels [first, end) of the product.
static void multiply(const Product& p, int64_t rows, int64_t first, int64_t end) {
  if (p.matrix->precision == kInt8) multiply_by<kTileRows, kTileTotals>(p, rows, first, end);
  else multiply_by<kFloatTileRows, kFloatTileTotals>(p, rows, first, end);
}

// This thread's share of the panels.
static void multiply_share(const Product& p, int64_t rows, int thread, int threads) {
  const int64_t panels = round_up(p.matrix->rows, kPanel) / kPanel;
  multiply(p, rows, panels * thread / threads, panels * (thread + 1) / threads);
}

}  // namespace
