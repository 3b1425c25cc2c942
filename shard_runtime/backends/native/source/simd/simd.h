// SPDX-License-Identifier: Apache-2.0
// The instruction set that this file is compiled for. Everything inside namespace TEETEE_ISA exists
// once for each; outside it, inline functions would be merged by the linker, and could then run
// instructions that a machine lacks. For the same reason kernels use no templates of the library.
#pragma once
#if defined(TEETEE_AVX512)
#define TEETEE_ISA avx512
#include "simd/simd_avx512.h"
#elif defined(TEETEE_AVX2)
#define TEETEE_ISA avx2
#include "simd/simd_avx2.h"
#else
#define TEETEE_ISA portable
#include "simd/simd_portable.h"
#endif

namespace teetee::TEETEE_ISA {

constexpr int64_t kLanes = 16;

// Up to kLanes numbers of the n at p, from i on; zeros beyond.
static inline Floats load_up_to(const float* p, int64_t i, int64_t n) {
  return n - i >= kLanes ? load(p + i) : load_part(p + i, n - i);
}
static inline void store_up_to(float* p, Floats a, int64_t i, int64_t n) {
  if (n - i >= kLanes) store(p + i, a);
  else store_part(p + i, a, n - i);
}

}  // namespace
