//===- ThreadPool.cpp - persistent workers and a barrier -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/ThreadPool.h"

#include <climits>
#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace bitwright::runtime;

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a plain 32-bit word");

static void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

static void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Waits until `word` is no longer `old`. The count of sleepers is raised before the word is looked at for the last
/// time, and the changer looks at it after changing the word (both sequentially consistent): no wake-up is lost.
static void waitForChange(std::atomic<uint32_t> &word, uint32_t old, std::atomic<uint32_t> &sleepers, unsigned spins) {
  for (unsigned i = 0; i < spins; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    _mm_pause();
  }
  sleepers.fetch_add(1);
  while (word.load() == old)
    futexWait(word, old);
  sleepers.fetch_sub(1);
}

static void change(std::atomic<uint32_t> &word, std::atomic<uint32_t> &sleepers) {
  word.fetch_add(1);
  if (sleepers.load() != 0)
    futexWakeAll(word);
}

void Barrier::wait() {
  const uint32_t now = generation.load(std::memory_order_acquire);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived.store(0, std::memory_order_relaxed);
    change(generation, sleepers);
    return;
  }
  waitForChange(generation, now, sleepers, spins);
}

/// Spinning pays only when every thread has a processor of its own: a spinning thread must not keep the one that it
/// waits for off the core. About 100 microseconds otherwise, longer than nearly every launch.
static unsigned spinCount(unsigned threads) {
  cpu_set_t set;
  unsigned processors = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    processors = unsigned(CPU_COUNT(&set));
  return threads <= processors ? 4000 : 20;
}

ThreadPool::ThreadPool(unsigned threads)
    : count(threads < 1 ? 1 : threads), spins(spinCount(count)), inner(count, spins), outer(count, spins) {
  for (unsigned t = 1; t < count; ++t)
    workers.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  stop = true;
  change(ticket, sleepers);
  for (std::thread &w : workers)
    w.join();
}

void ThreadPool::run(void (*newBody)(void *, unsigned), void *newContext) {
  if (count == 1) {
    newBody(newContext, 0);
    return;
  }
  body = newBody;
  context = newContext;
  change(ticket, sleepers);
  newBody(newContext, 0);
  outer.wait();
}

void ThreadPool::work(unsigned thread) {
  // Every run raises the ticket by one and ends at `outer`, so a worker can never miss one.
  for (uint32_t seen = 0;; ++seen) {
    waitForChange(ticket, seen, sleepers, spins);
    if (stop)
      return;
    body(context, thread);
    outer.wait();
  }
}
