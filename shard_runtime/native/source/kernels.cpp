// Compiled once for each instruction set: see simd.h and the Makefile.
#include "kernels.h"

#include "layers.h"

namespace teetee {

namespace TEETEE_ISA {

static void multiply_all(const Matrix& matrix, const Rows& x, int64_t rows, float* out, bool adds) {
  multiply_share({&matrix, &x, out, matrix.rows, adds}, rows, 0, 1);
}

static void prepare(const Rows& x, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row++) finish_row(x, row, columns);
}

static bool runs_here() {
#if defined(TEETEE_AVX512)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#elif defined(TEETEE_AVX2)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return true;
#endif
}

}  // namespace TEETEE_ISA

#if defined(TEETEE_AVX512)
#define TEETEE_TABLE kAvx512Kernels
#define TEETEE_NAME "avx512"
#elif defined(TEETEE_AVX2)
#define TEETEE_TABLE kAvx2Kernels
#define TEETEE_NAME "avx2"
#else
#define TEETEE_TABLE kPortableKernels
#define TEETEE_NAME "portable"
#endif

extern const Kernels TEETEE_TABLE;
const Kernels TEETEE_TABLE = {
    TEETEE_NAME,           TEETEE_ISA::runs_here, TEETEE_ISA::layers_task,
    TEETEE_ISA::head_task, TEETEE_ISA::rms_norm,  TEETEE_ISA::quantize,
    TEETEE_ISA::silu,      TEETEE_ISA::rope,      TEETEE_ISA::multiply_all,
    TEETEE_ISA::prepare,
};

}  // namespace teetee
