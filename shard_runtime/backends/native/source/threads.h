// SPDX-License-Identifier: Apache-2.0
// A fixed crew of threads that run one task together.
#pragma once
#include <atomic>
#include <cstdint>

namespace teetee {

class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  // Waits for all; the last one to come lets the others go on. With one thread it does nothing.
  void wait();

 private:
  const int count_;
  std::atomic<int> waiting_{0};
  std::atomic<uint32_t> round_{0};
};

class Threads {
 public:
  using Task = void (*)(void* context, int thread, int threads, Barrier& barrier);

  explicit Threads(int count);  // may throw what std::thread throws
  ~Threads();
  // Runs the task on every thread, the caller's included, and comes back when all are done.
  void run(Task task, void* context);
  int count() const { return count_; }

 private:
  struct Workers;
  void work(int thread);
  void end();

  const int count_;
  Barrier barrier_;
  std::atomic<uint32_t> orders_{0};
  bool ending_ = false;
  Task task_ = nullptr;
  void* context_ = nullptr;
  Workers* workers_;
};

// Waits until `value` is no longer `seen`: spinning for some microseconds, then asleep.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t seen);

// Waits until `value` is no longer `seen` without going to sleep, for so many nanoseconds at most, and
// only while nobody else wants the core. Whether it changed.
bool wait_awake(const int64_t& value, int64_t seen, int64_t nanoseconds);

}  // namespace teetee
