// SPDX-License-Identifier: Apache-2.0
// Scratch memory of a pass through layers or head, kept between calls.
#pragma once
#include <cstdint>
#include <cstdlib>

#include "rows.h"
#include "views.h"

namespace teetee {

// Grows, never shrinks. Aligned to 64 bytes for vector loads.
class Scratch {
 public:
  ~Scratch() { std::free(memory_); }
  // Returns at least `bytes`, without keeping the content; null if there is no memory.
  uint8_t* reserve(int64_t bytes) {
    if (bytes > size_) {
      std::free(memory_);
      size_ = round_up(bytes, 4096);
      memory_ = static_cast<uint8_t*>(std::aligned_alloc(64, size_));
      if (!memory_) size_ = 0;
    }
    return memory_;
  }

 private:
  uint8_t* memory_ = nullptr;
  int64_t size_ = 0;
};

// Divides memory into buffers; with null memory it only computes their size.
class ScratchAllocator {
 public:
  explicit ScratchAllocator(uint8_t* memory) : memory_(memory) {}
  template <class T>
  T* allocate(int64_t count) {
    T* piece = memory_ ? reinterpret_cast<T*>(memory_ + size_) : nullptr;
    size_ += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
  Rows rows(int64_t count, int64_t columns, int32_t precision) {
    const int64_t groups = round_up(columns, kGroup) / kGroup, stride = groups * kGroup;
    Rows rows{allocate<float>(count * stride), nullptr, nullptr, nullptr, stride, groups};
    if (precision != kInt8) return rows;
    rows.numbers = allocate<int8_t>(count * stride);
    rows.scales = allocate<float>(count * groups);
    rows.corrections = allocate<int32_t>(count * groups);
    return rows;
  }
  int64_t size() const { return size_; }

 private:
  uint8_t* memory_;
  int64_t size_ = 0;
};

}  // namespace teetee
