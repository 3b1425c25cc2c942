// SPDX-License-Identifier: Apache-2.0
// A step through all layers. Every thread runs every phase on its share of rows, panels or attention
// tiles; a barrier separates the phases. Results do not depend on which thread computes them.
#pragma once
#include <cmath>

#include "layer/attention.h"
#include "layer/cache.h"
#include "matmul/matmul.h"
#include "layer/quantize.h"
#include "layer/rms_norm.h"
#include "layer/rope.h"
#include "layer/silu.h"
#include "layer/step.h"

namespace teetee::TEETEE_ISA {

// Quantises row `row` of a product's left side, which is complete in float32, if the product is int8.
static inline void quantize_row(const Rows& x, int64_t row, int64_t columns) {
  if (!x.numbers) return;
  quantize(x.floats + row * x.stride, columns, x.numbers + row * x.stride, x.scales + row * x.groups, x.corrections + row * x.groups);
}

static void norm_rows(const LayersStep& s, const float* weight, int thread, int threads) {
  const int64_t size = s.model->hidden_size;
  for (int64_t row = thread; row < s.rows; row += threads) {
    rms_norm(s.hidden + row * size, weight, s.model->norm_epsilon, size, s.normed.floats + row * s.normed.stride);
    quantize_row(s.normed, row, size);
  }
}

// Norms (Qwen3) and rotates the queries and keys of one row; stores its keys and values in the cache.
template <class Number>
static void rotate_and_cache_row(const LayersStep& s, int64_t index, const Span& span, int64_t position, float* fused) {
  const Model& m = *s.model;
  const Layer& layer = m.layers[index];
  const int64_t size = m.head_size, half = size / 2;
  const float* cosines = m.cosines + position * half;
  const float* sines = m.sines + position * half;
  for (int64_t head = 0; head < m.head_count + m.kv_head_count; head++) {
    float* numbers = fused + head * size;
    const float* norm = head < m.head_count ? layer.query_norm : layer.key_norm;
    if (norm) rms_norm(numbers, norm, m.norm_epsilon, size, numbers);
    rope(numbers, cosines, sines, half);
  }
  const float* keys = fused + m.head_count * size;
  const float* values = keys + m.kv_head_count * size;
  for (int64_t head = 0; head < m.kv_head_count; head++)
    store_position(head_cache<Number>(m, span, index, head), position, keys + head * size, values + head * size, size);
}

template <class Number>
static void rotate_and_cache_rows(const LayersStep& s, int64_t layer, int thread, int threads) {
  int64_t row = 0;
  for (int64_t i = 0; i < s.span_count; i++)
    for (int64_t j = 0; j < s.spans[i].rows; j++, row++)
      if (row % threads == thread)
        rotate_and_cache_row<Number>(s, layer, s.spans[i], s.spans[i].first + j, s.fused + row * s.fused_size());
}

// Attends with queries [first, first + count) of a span and key-value head, counted by row, then head.
template <class Number>
static void attend_queries(const LayersStep& s, int64_t index, const Span& span, int64_t row, int64_t group, int64_t first, int count, float* scores) {
  const Model& m = *s.model;
  const int64_t size = m.head_size, copies = m.head_count / m.kv_head_count;
  const int64_t window = m.layers[index].window;
  Query queries[kTileQueries];
  for (int q = 0; q < count; q++) {
    const int64_t below = (first + q) / copies, head = group * copies + (first + q) % copies;
    const int64_t end = span.first + below + 1;
    queries[q] = {s.fused + (row + below) * s.fused_size() + head * size,
                  s.mixed.floats + (row + below) * s.mixed.stride + head * size,
                  scores + q * s.max_end, window && end > window ? end - window : 0, end};
  }
  const HeadCache<Number> cache = head_cache<Number>(m, span, index, group);
  attend(queries, count, cache.keys, cache.values, size, 1.0f / std::sqrt(static_cast<float>(size)));
}

template <class Number>
static void attend_all(const LayersStep& s, int64_t layer, int thread, int threads) {
  const Model& m = *s.model;
  const int64_t copies = m.head_count / m.kv_head_count;
  float* scores = s.scores + thread * kTileQueries * s.max_end;
  int64_t row = 0, task = 0;
  for (int64_t i = 0; i < s.span_count; row += s.spans[i].rows, i++) {
    const int64_t queries = s.spans[i].rows * copies;
    for (int64_t group = 0; group < m.kv_head_count; group++)
      for (int64_t first = 0; first < queries; first += kTileQueries, task++) {
        if (task % threads != thread) continue;
        const int64_t remaining = queries - first;
        attend_queries<Number>(s, layer, s.spans[i], row, group, first, remaining < kTileQueries ? remaining : kTileQueries, scores);
      }
  }
}

static void activate_rows(const LayersStep& s, int thread, int threads) {
  const int64_t size = s.model->intermediate_size;
  for (int64_t row = thread; row < s.rows; row += threads) {
    const float* gate = s.inner + row * 2 * size;
    silu(gate, gate + size, size, s.activated.floats + row * s.activated.stride);
    quantize_row(s.activated, row, size);
  }
}

template <class Number>
static void run_layers(const LayersStep& s, int thread, int threads, Barrier& barrier) {
  const Model& m = *s.model;
  for (int64_t index = 0; index < m.layer_count; index++) {
    const Layer& layer = m.layers[index];
    norm_rows(s, layer.attention_norm, thread, threads);
    barrier.wait();
    multiply_share({&layer.query_key_value, &s.normed, s.fused, s.fused_size(), false}, s.rows, thread, threads);
    barrier.wait();
    rotate_and_cache_rows<Number>(s, index, thread, threads);
    barrier.wait();
    attend_all<Number>(s, index, thread, threads);
    barrier.wait();
    if (m.precision == kInt8) {
      for (int64_t row = thread; row < s.rows; row += threads) quantize_row(s.mixed, row, m.head_count * m.head_size);
      barrier.wait();
    }
    multiply_share({&layer.output, &s.mixed, s.hidden, m.hidden_size, true}, s.rows, thread, threads);
    barrier.wait();
    norm_rows(s, layer.mlp_norm, thread, threads);
    barrier.wait();
    multiply_share({&layer.gate_up, &s.normed, s.inner, 2 * m.intermediate_size, false}, s.rows, thread, threads);
    barrier.wait();
    activate_rows(s, thread, threads);
    barrier.wait();
    multiply_share({&layer.down, &s.activated, s.hidden, m.hidden_size, true}, s.rows, thread, threads);
    barrier.wait();
  }
}

static void layers_task(void* context, int thread, int threads, Barrier& barrier) {
  const LayersStep& s = *static_cast<const LayersStep*>(context);
  if (s.model->precision == kInt8) run_layers<uint16_t>(s, thread, threads, barrier);
  else run_layers<float>(s, thread, threads, barrier);
}

static void head_task(void* context, int thread, int threads, Barrier& barrier) {
  const HeadStep& s = *static_cast<const HeadStep*>(context);
  const Matrix& matrix = s.head->matrix;
  for (int64_t row = thread; row < s.rows; row += threads) {
    float* out = s.normed.floats + row * s.normed.stride;
    rms_norm(s.hidden + row * matrix.columns, s.head->norm, s.head->norm_epsilon, matrix.columns, out);
    quantize_row(s.normed, row, matrix.columns);
  }
  barrier.wait();
  multiply_share({&matrix, &s.normed, s.logits, matrix.rows, false}, s.rows, thread, threads);
}

}  // namespace
