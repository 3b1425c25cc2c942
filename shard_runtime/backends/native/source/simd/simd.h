// SPDX-License-Identifier: Apache-2.0
// Selects the instruction set of this compilation. Everything in namespace TEETEE_ISA exists once per
// instruction set; outside it, the linker would merge inline functions, which could then run
// instructions that a machine lacks. For the same reason kernels use no library templates.
#pragma once
#include "layout.h"

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

// Loads kLanes numbers of the n at p, from i on; zeros beyond n.
static inline Floats load_up_to(const float* p, int64_t i, int64_t n) {
  return n - i >= kLanes ? load(p + i) : load_part(p + i, n - i);
}
static inline void store_up_to(float* p, Floats a, int64_t i, int64_t n) {
  if (n - i >= kLanes) store(p + i, a);
  else store_part(p + i, a, n - i);
}

}  // namespace
