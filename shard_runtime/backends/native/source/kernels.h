// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set, as the rest of the library calls them. Those after `head` are
// exposed for tests only.
#pragma once
#include "rows.h"
#include "threads.h"
#include "views.h"

namespace teetee {

// A test case: fills one head's cache, then attends to it.
struct AttentionCase {
  int64_t size, positions, count;  // dimensions; keys; queries, at most four
  int32_t precision, unused;
  const float* queries;  // (count, size)
  const float* keys;     // (positions, size)
  const float* values;
  const int64_t* firsts;  // (count,) visible positions [first, end) of each query
  const int64_t* ends;
  uint8_t* cache;  // laid out like NativeCache with one layer and head
  float* scores;   // (count, positions rounded up)
  float* out;      // (count, size)
};

struct Kernels {
  const char* name;
  bool (*runs_here)();
  ThreadPool::Task layers;  // context: LayersStep
  ThreadPool::Task head;    // context: HeadStep
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int64_t n, float* out);
  void (*quantize)(const float* x, int64_t n, int8_t* numbers, float* scales, int32_t* corrections);
  void (*silu)(const float* gate, const float* up, int64_t n, float* out);
  void (*rope)(float* head, const float* cosines, const float* sines, int64_t half);
  void (*multiply)(const Matrix& matrix, const Rows& x, int64_t rows, float* out, bool accumulates);
  void (*quantize_rows)(const Rows& x, int64_t rows, int64_t columns);
  void (*attend)(const AttentionCase& c);
};

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace teetee
