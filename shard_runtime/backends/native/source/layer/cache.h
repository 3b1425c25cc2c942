// SPDX-License-Identifier: Apache-2.0
// Access to a run's keys and values. views.h describes the layout.
#pragma once
#include "simd/simd.h"
#include "views.h"

namespace teetee::TEETEE_ISA {

static inline void bounded_store(float* p, Floats a) { store(p, a); }
// Clamped to the float16 range: an infinity would turn everything that attends to it into NaN.
static inline void bounded_store(uint16_t* p, Floats a) {
  store(p, max(min(a, splat(65504.0f)), splat(-65504.0f)));
}

template <class Number>
struct HeadCache {
  Number* keys;
  Number* values;
};

template <class Number>
static inline HeadCache<Number> head_cache(const Model& m, const Span& span, int64_t layer, int64_t head) {
  const int64_t values = span.capacity * m.head_size;
  const int64_t whole = values + span.capacity * round_up(m.head_size, kLanes);
  Number* keys = reinterpret_cast<Number*>(span.cache) + (layer * m.kv_head_count + head) * whole;
  return {keys, keys + values};
}

template <class Number>
static inline void store_position(HeadCache<Number> cache, int64_t position, const float* key, const float* value, int64_t size) {
  const int64_t lane = position % kPositions;
  Number* block = cache.keys + (position - lane) * size + lane;
  Number* row = cache.values + position * round_up(size, kLanes);
  for (int64_t d = 0; d < size; d += kLanes) {
    Number numbers[kLanes];
    bounded_store(numbers, load_up_to(key, d, size));
    for (int64_t i = 0; i < kLanes && d + i < size; i++) block[(d + i) * kPositions] = numbers[i];
    bounded_store(row + d, load_up_to(value, d, size));
  }
}

}  // namespace
