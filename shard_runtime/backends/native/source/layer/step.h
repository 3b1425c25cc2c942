// SPDX-License-Identifier: Apache-2.0
// One pass of rows through all layers, or through the head: what every thread of it knows.
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
  float* hidden;  // (rows, hidden_size): read, and written over
  int64_t longest;  // the last position seen by any row, rounded up to kPositions

  Rows normed;     // input of query_key_value and gate_up
  float* fused;    // (rows, fused_size): queries, keys, values of each row
  Rows mixed;      // input of output
  float* inner;    // (rows, 2 × intermediate_size)
  Rows activated;  // input of down
  float* scores;   // by thread: four times `longest`

  int64_t fused_size() const { return (model->head_count + 2 * model->kv_head_count) * model->head_size; }

  // Gives the bytes needed.
  int64_t place(uint8_t* memory, int threads) {
    const Model& m = *model;
    Pieces pieces(memory);
    normed = pieces.rows(rows, m.hidden_size, m.precision);
    fused = pieces.take<float>(rows * fused_size());
    mixed = pieces.rows(rows, m.head_count * m.head_size, m.precision);
    inner = pieces.take<float>(rows * 2 * m.intermediate_size);
    activated = pieces.rows(rows, m.intermediate_size, m.precision);
    scores = pieces.take<float>(threads * 4 * longest);
    return pieces.used();
  }
};

struct HeadStep {
  const Head* head;
  int64_t rows;
  const float* hidden;  // (rows, columns)
  float* logits;        // (rows, outputs)
  Rows normed;

  int64_t place(uint8_t* memory) {
    Pieces pieces(memory);
    normed = pieces.rows(rows, head->matrix.columns, head->matrix.precision);
    return pieces.used();
  }
};

}  // namespace teetee
