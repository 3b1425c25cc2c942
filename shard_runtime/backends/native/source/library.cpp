// SPDX-License-Identifier: Apache-2.0
// The C interface that shard_runtime/backends/native calls. Python checks the arguments. Functions
// that can fail return 0 on success.
#include <cmath>
#include <new>

#include "kernels.h"
#include "matmul/pack.h"
#include "scratch.h"
#include "layer/step.h"
#include "threads.h"

#define TEETEE_EXPORT extern "C" __attribute__((visibility("default")))

namespace teetee {
namespace {

const Kernels* const kKernels[] = {
    &kPortableKernels,
#if defined(__x86_64__)
    &kAvx2Kernels,
    &kAvx512Kernels,
#endif
};
constexpr int32_t kKernelsCount = sizeof kKernels / sizeof kKernels[0];

// Threads, the kernels they run and their scratch memory.
struct Pool {
  Pool(const Kernels& chosen, int count) : kernels(chosen), threads(count) {}
  const Kernels& kernels;
  ThreadPool threads;
  Scratch scratch;
};

// The spans of one pass: rows [done, done + rows) of all rows.
int64_t clip_spans(const Span* spans, int64_t count, int64_t done, int64_t rows, Span* clipped) {
  int64_t found = 0, before = 0;
  for (int64_t i = 0; i < count && before < done + rows; before += spans[i].rows, i++) {
    const int64_t skipped = done > before ? done - before : 0;
    const int64_t end = done + rows - before < spans[i].rows ? done + rows - before : spans[i].rows;
    if (skipped >= end) continue;
    clipped[found++] = {spans[i].cache, spans[i].capacity, spans[i].first + skipped, end - skipped};
  }
  return found;
}

bool run_layers_pass(Pool& pool, LayersStep step) {
  step.max_end = 0;
  for (int64_t i = 0; i < step.span_count; i++) {
    const int64_t end = round_up(step.spans[i].first + step.spans[i].rows, kPositions);
    step.max_end = end > step.max_end ? end : step.max_end;
  }
  uint8_t* memory = pool.scratch.reserve(step.lay_out(nullptr, pool.threads.count()));
  if (!memory) return false;
  step.lay_out(memory, pool.threads.count());
  pool.threads.run(pool.kernels.layers, &step);
  return true;
}

}  // namespace
}  // namespace teetee

using namespace teetee;

TEETEE_EXPORT int32_t teetee_abi() { return kAbi; }

// Instruction sets, slowest first; null beyond the last.
TEETEE_EXPORT const char* teetee_instructions(int32_t index) {
  return index >= 0 && index < kKernelsCount ? kKernels[index]->name : nullptr;
}

TEETEE_EXPORT int32_t teetee_runs_here(int32_t index) { return kKernels[index]->runs_here(); }

TEETEE_EXPORT Pool* teetee_pool_open(int32_t instructions, int32_t threads) try {
  return new Pool(*kKernels[instructions], threads);
} catch (...) {
  return nullptr;
}

TEETEE_EXPORT void teetee_pool_close(Pool* pool) { delete pool; }

TEETEE_EXPORT int32_t teetee_busy_wait(const int64_t* value, int64_t seen, int64_t nanoseconds) {
  return busy_wait(*value, seen, nanoseconds);
}

TEETEE_EXPORT int64_t teetee_matrix_bytes(int64_t rows, int64_t columns, int32_t precision) {
  return matrix_bytes(rows, columns, precision);
}

TEETEE_EXPORT void teetee_matrix_clear(const Matrix* matrix) { clear_matrix(*matrix); }

TEETEE_EXPORT int32_t teetee_matrix_put(const Matrix* matrix, int64_t first, int64_t count, const float* numbers) {
  return put_rows(*matrix, first, count, numbers) ? 0 : 1;
}

TEETEE_EXPORT void teetee_matrix_get(const Matrix* matrix, const int64_t* rows, int64_t count, float* numbers) {
  for (int64_t i = 0; i < count; i++) get_row(*matrix, rows[i], numbers + i * matrix->columns);
}

// hidden (rows, hidden_size) through all layers, in place; rows is the sum over the spans.
TEETEE_EXPORT int32_t teetee_layers(Pool* pool, const Model* model, const Span* spans, int64_t span_count, float* hidden, int64_t rows) {
  Span clipped[kRowsPerPass];
  for (int64_t done = 0; done < rows; done += kRowsPerPass) {
    LayersStep step{};
    step.model = model;
    step.rows = rows - done < kRowsPerPass ? rows - done : kRowsPerPass;
    step.spans = clipped;
    step.span_count = clip_spans(spans, span_count, done, step.rows, clipped);
    step.hidden = hidden + done * model->hidden_size;
    if (!run_layers_pass(*pool, step)) return 1;
  }
  return 0;
}

TEETEE_EXPORT int32_t teetee_head(Pool* pool, const Head* head, const float* hidden, int64_t rows, float* logits) {
  for (int64_t done = 0; done < rows; done += kRowsPerPass) {
    HeadStep step{};
    step.head = head;
    step.rows = rows - done < kRowsPerPass ? rows - done : kRowsPerPass;
    step.hidden = hidden + done * head->matrix.columns;
    step.logits = logits + done * head->matrix.rows;
    uint8_t* memory = pool->scratch.reserve(step.lay_out(nullptr));
    if (!memory) return 1;
    step.lay_out(memory);
    pool->threads.run(pool->kernels.head, &step);
  }
  return 0;
}

// Rows [first, first + count) of cosines and sines, (count, half) each. In double, so that no
// vector library decides the last bit.
TEETEE_EXPORT void teetee_rotary(const float* frequencies, int64_t half, int64_t first, int64_t count, float amplitude, float* cosines, float* sines) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t d = 0; d < half; d++) {
      const float angle = static_cast<float>(first + i) * frequencies[d];
      cosines[i * half + d] = static_cast<float>(std::cos(static_cast<double>(angle))) * amplitude;
      sines[i * half + d] = static_cast<float>(std::sin(static_cast<double>(angle))) * amplitude;
    }
}

// ---- single kernels, for tests

TEETEE_EXPORT void teetee_rms_norm(int32_t instructions, const float* x, const float* weight, float epsilon, int64_t n, float* out) {
  kKernels[instructions]->rms_norm(x, weight, epsilon, n, out);
}

TEETEE_EXPORT void teetee_quantize(int32_t instructions, const float* x, int64_t n, int8_t* numbers, float* scales, int32_t* corrections) {
  kKernels[instructions]->quantize(x, n, numbers, scales, corrections);
}

TEETEE_EXPORT void teetee_silu(int32_t instructions, const float* gate, const float* up, int64_t n, float* out) {
  kKernels[instructions]->silu(gate, up, n, out);
}

TEETEE_EXPORT void teetee_rope(int32_t instructions, float* head, const float* cosines, const float* sines, int64_t half) {
  kKernels[instructions]->rope(head, cosines, sines, half);
}

// x (rows, columns) times the matrix: out (rows, outputs).
TEETEE_EXPORT int32_t teetee_multiply(int32_t instructions, const Matrix* matrix, const float* x, int64_t rows, float* out, int32_t accumulates) {
  const int64_t columns = matrix->columns;
  Scratch scratch;
  uint8_t* memory = scratch.reserve([&] { ScratchAllocator counted(nullptr); counted.rows(rows, columns, matrix->precision); return counted.size(); }());
  if (!memory) return 1;
  ScratchAllocator allocator(memory);
  const Rows left = allocator.rows(rows, columns, matrix->precision);
  for (int64_t row = 0; row < rows; row++)
    for (int64_t k = 0; k < columns; k++) left.floats[row * left.stride + k] = x[row * columns + k];
  kKernels[instructions]->quantize_rows(left, rows, columns);
  kKernels[instructions]->multiply(*matrix, left, rows, out, accumulates != 0);
  return 0;
}

TEETEE_EXPORT void teetee_attend(int32_t instructions, const AttentionCase* attention) {
  kKernels[instructions]->attend(*attention);
}
