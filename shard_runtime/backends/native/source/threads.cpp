// SPDX-License-Identifier: Apache-2.0
#include "threads.h"

#include <chrono>
#include <thread>
#include <vector>

namespace teetee {

namespace {

// About 20 µs: longer than the threads' phases of a step differ, short enough for a shared core.
constexpr int kSpins = 500;

// Of a busy wait: about 1 µs between two yields of the core, and how long a yield must take to show
// that another thread used it.
constexpr int kSpinsPerYield = 20;
constexpr std::chrono::microseconds kTakenYield{200};

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::Workers {
  std::vector<std::thread> threads;
};

void wait_for_change(const std::atomic<uint32_t>& value, uint32_t seen) {
  for (int spin = 0; spin < kSpins; spin++) {
    if (value.load(std::memory_order_acquire) != seen) return;
    pause();
  }
  while (value.load(std::memory_order_acquire) == seen) value.wait(seen, std::memory_order_acquire);
}

bool busy_wait(const int64_t& value, int64_t seen, int64_t nanoseconds) {
  using Clock = std::chrono::steady_clock;
  const auto changed = [&] { return __atomic_load_n(&value, __ATOMIC_ACQUIRE) != seen; };
  const auto end = Clock::now() + std::chrono::nanoseconds(nanoseconds);
  for (auto at = Clock::now(); at < end;) {
    for (int spin = 0; spin < kSpinsPerYield; spin++, pause())
      if (changed()) return true;
    const auto before = Clock::now();
    std::this_thread::yield();
    at = Clock::now();
    if (at - before > kTakenYield) break;  // another thread ran, and will again
  }
  return changed();
}

void Barrier::wait() {
  if (count_ == 1) return;
  const uint32_t round = round_.load(std::memory_order_relaxed);
  if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 < count_) return wait_for_change(round_, round);
  waiting_.store(0, std::memory_order_relaxed);
  round_.store(round + 1, std::memory_order_release);
  round_.notify_all();
}

ThreadPool::ThreadPool(int count) : count_(count), barrier_(count), workers_(new Workers) {
  try {
    for (int thread = 1; thread < count; thread++) workers_->threads.emplace_back(&ThreadPool::work, this, thread);
  } catch (...) {  // no more threads: those that run must end before the pool is destroyed
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stopping_ = true;
  tasks_.fetch_add(1, std::memory_order_release);
  tasks_.notify_all();
  for (auto& thread : workers_->threads) thread.join();
  delete workers_;
}

void ThreadPool::run(Task task, void* context) {
  if (count_ == 1) return task(context, 0, 1, barrier_);
  task_ = task;
  context_ = context;
  tasks_.fetch_add(1, std::memory_order_release);
  tasks_.notify_all();
  task(context, 0, count_, barrier_);
  barrier_.wait();
}

void ThreadPool::work(int thread) {
  for (uint32_t seen = 0;; seen++) {
    wait_for_change(tasks_, seen);
    if (stopping_) return;
    task_(context_, thread, count_, barrier_);
    barrier_.wait();
  }
}

}  // namespace teetee
