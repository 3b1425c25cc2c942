// SPDX-License-Identifier: Apache-2.0
// The memory that one pass through layers or head needs, kept between calls.
#pragma once
#include <cstdint>
#include <cstdlib>

#include "rows.h"
#include "views.h"

namespace teetee {

// Grows, never shrinks. 64 bytes aligned, as vector loads like it.
class Scratch {
 public:
  ~Scratch() { std::free(memory_); }
  // Null where there is no memory. What it held is lost.
  uint8_t* hold(int64_t bytes) {
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

// Hands out pieces; with a null beginning it only counts.
class Pieces {
 public:
  explicit Pieces(uint8_t* memory) : memory_(memory) {}
  template <class T>
  T* take(int64_t count) {
    T* piece = memory_ ? reinterpret_cast<T*>(memory_ + used_) : nullptr;
    used_ += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
  Rows rows(int64_t count, int64_t columns, int32_t precision) {
    const int64_t groups = round_up(columns, kGroup) / kGroup, stride = groups * kGroup;
    Rows rows{take<float>(count * stride), nullptr, nullptr, nullptr, stride, groups};
    if (precision != kInt8) return rows;
    rows.numbers = take<int8_t>(count * stride);
    rows.scales = take<float>(count * groups);
    rows.corrections = take<int32_t>(count * groups);
    return rows;
  }
  int64_t used() const { return used_; }

 private:
  uint8_t* memory_;
  int64_t used_ = 0;
};

}  // namespace teetee
