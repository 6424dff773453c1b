//===- ThreadPool.h - persistent workers and a barrier -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace bitwright::runtime {

/// A barrier that spins for a while and then sleeps in the kernel. All threads of a pool call `wait` the same number of
/// times.
class Barrier {
public:
  Barrier(unsigned threads, unsigned spins) : threads(threads), spins(spins) {}
  void wait();

private:
  const unsigned threads, spins;
  alignas(64) std::atomic<uint32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  std::atomic<uint32_t> sleepers{0};
};

/// `threads - 1` workers that live as long as the pool; the caller of `run` is thread 0. Starting a run costs one
/// wake-up of workers that sleep, nothing of workers that still spin. A pool of one thread has no workers and calls
/// directly.
class ThreadPool {
public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  unsigned size() const { return count; }
  /// Calls `body(context, t)` once on every thread t of 0..size()-1 and returns when all have returned. One run at a
  /// time.
  void run(void (*body)(void *context, unsigned thread), void *context);
  /// For use inside `body`.
  Barrier &barrier() { return inner; }

private:
  void work(unsigned thread);

  const unsigned count, spins;
  Barrier inner, outer;
  alignas(64) std::atomic<uint32_t> ticket{0};
  std::atomic<uint32_t> sleepers{0};
  void (*body)(void *, unsigned) = nullptr;
  void *context = nullptr;
  bool stop = false;
  std::vector<std::thread> workers;
};

} // namespace bitwright::runtime
