// The kernels of one instruction set, as the rest of the library calls them. The single ones are
// there to be tested.
#pragma once
#include "rows.h"
#include "threads.h"
#include "views.h"

namespace teetee {

struct Kernels {
  const char* name;
  bool (*runs_here)();
  Threads::Task layers;  // context: LayersStep
  Threads::Task head;    // context: HeadStep
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int64_t n, float* out);
  void (*quantize)(const float* x, int64_t n, int8_t* numbers, float* scales, int32_t* corrections);
  void (*silu)(const float* gate, const float* up, int64_t n, float* out);
  void (*rope)(float* head, const float* cosines, const float* sines, int64_t half);
  void (*multiply)(const Matrix& matrix, const Rows& x, int64_t rows, float* out, bool adds);
  void (*prepare)(const Rows& x, int64_t rows, int64_t columns);
};

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace teetee
