// SPDX-License-Identifier: Apache-2.0
// The state that all threads share in one pass of rows through the layers or the head.
#pragma once
#include "scratch.h"
#include "threads.h"
#include "views.h"

namespace teetee {

// At most kRowsPerPass rows.
struct LayersStep {
  const Model* model;
  const Span* spans;
  int64_t span_count;
  int64_t rows;
  float* hidden;    // (rows, hidden_size): input and output
  int64_t max_end;  // the largest end position of a span, rounded up to kPositions

  Rows normed;     // input of query_key_value and gate_up
  float* fused;    // (rows, fused_size): queries, keys, values of each row
  Rows mixed;      // input of output
  float* inner;    // (rows, 2 × intermediate_size)
  Rows activated;  // input of down
  float* scores;   // per thread: four times `max_end`

  int64_t fused_size() const { return (model->head_count + 2 * model->kv_head_count) * model->head_size; }

  // Lays out the buffers in `memory` and returns their size; null only computes the size.
  int64_t lay_out(uint8_t* memory, int threads) {
    const Model& m = *model;
    ScratchAllocator allocator(memory);
    normed = allocator.rows(rows, m.hidden_size, m.precision);
    fused = allocator.allocate<float>(rows * fused_size());
    mixed = allocator.rows(rows, m.head_count * m.head_size, m.precision);
    inner = allocator.allocate<float>(rows * 2 * m.intermediate_size);
    activated = allocator.rows(rows, m.intermediate_size, m.precision);
    scores = allocator.allocate<float>(threads * 4 * max_end);
    return allocator.size();
  }
};

struct HeadStep {
  const Head* head;
  int64_t rows;
  const float* hidden;  // (rows, columns)
  float* logits;        // (rows, outputs)
  Rows normed;

  int64_t lay_out(uint8_t* memory) {
    ScratchAllocator allocator(memory);
    normed = allocator.rows(rows, head->matrix.columns, head->matrix.precision);
    return allocator.size();
  }
};

}  // namespace teetee
