// SPDX-License-Identifier: Apache-2.0
// A fixed pool of threads that run one task together, and busy-waiting.
#pragma once
#include <atomic>
#include <cstdint>

namespace teetee {

class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  // Returns once all threads have called it. A no-op with one thread.
  void wait();

 private:
  const int count_;
  std::atomic<int> waiting_{0};
  std::atomic<uint32_t> round_{0};
};

class ThreadPool {
 public:
  using Task = void (*)(void* context, int thread, int threads, Barrier& barrier);

  explicit ThreadPool(int count);  // throws what std::thread throws
  ~ThreadPool();
  // Runs the task on every thread, the caller's included, and returns when all are done.
  void run(Task task, void* context);
  int count() const { return count_; }

 private:
  struct Workers;
  void work(int thread);
  void stop();

  const int count_;
  Barrier barrier_;
  std::atomic<uint32_t> tasks_{0};  // started so far
  bool stopping_ = false;
  Task task_ = nullptr;
  void* context_ = nullptr;
  Workers* workers_;
};

// Waits until `value` differs from `seen`: spins for some microseconds, then sleeps.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t seen);

// Spins until `value` differs from `seen`, `nanoseconds` pass, or another thread needs the core.
// Returns whether the value changed.
bool busy_wait(const int64_t& value, int64_t seen, int64_t nanoseconds);

}  // namespace teetee
