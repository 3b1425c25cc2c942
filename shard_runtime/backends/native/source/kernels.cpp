// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set: see simd.h and toolchain/build-native.sh.
#include "kernels.h"

#include "layer/layers.h"

namespace teetee {

namespace TEETEE_ISA {

static void multiply_whole(const Matrix& matrix, const Rows& x, int64_t rows, float* out, bool accumulates) {
  multiply_share({&matrix, &x, out, matrix.rows, accumulates}, rows, 0, 1);
}

static void quantize_rows(const Rows& x, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row++) quantize_row(x, row, columns);
}

template <class Number>
static void run_attention_case(const AttentionCase& c) {
  Model model{};
  model.kv_head_count = 1;
  model.head_size = c.size;
  const Span span{c.cache, round_up(c.positions, kPositions), 0, c.positions};
  const HeadCache<Number> cache = head_cache<Number>(model, span, 0, 0);
  for (int64_t i = 0; i < c.positions; i++) store_position(cache, i, c.keys + i * c.size, c.values + i * c.size, c.size);
  Query queries[kTileQueries];
  for (int64_t q = 0; q < c.count; q++)
    queries[q] = {c.queries + q * c.size, c.out + q * c.size, c.scores + q * span.capacity, c.firsts[q], c.ends[q]};
  attend(queries, static_cast<int>(c.count), cache.keys, cache.values, c.size, 1.0f / std::sqrt(static_cast<float>(c.size)));
}

static void attention_case(const AttentionCase& c) {
  if (c.precision == kInt8) run_attention_case<uint16_t>(c);
  else run_attention_case<float>(c);
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
    TEETEE_NAME,
    TEETEE_ISA::runs_here,
    TEETEE_ISA::layers_task,
    TEETEE_ISA::head_task,
    TEETEE_ISA::rms_norm,
    TEETEE_ISA::quantize,
    TEETEE_ISA::silu,
    TEETEE_ISA::rope,
    TEETEE_ISA::multiply_whole,
    TEETEE_ISA::quantize_rows,
    TEETEE_ISA::attention_case,
};

}  // namespace teetee
