#pragma once
// How much memory some work takes at once, and how often it asks for some. For one file of a test
// program, which replaces operator new by including this (under a sanitizer, it listens to the
// sanitizer's).
#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace onward {
/// Bytes on the heap now, and the most there were since `start`.
struct PeakBytes {
  static inline std::atomic<std::size_t> now{0}, most{0};
  static inline thread_local std::uint64_t allocations = 0;  ///< Of this thread, ever.

  static void add(void* memory) {
    ++allocations;
    const std::size_t bytes = now += malloc_usable_size(memory);
    std::size_t known = most;
    while (known < bytes && !most.compare_exchange_weak(known, bytes)) {
    }
  }
  static void take(void* memory) { now -= malloc_usable_size(memory); }

  /// The most bytes that `work` takes beside what is there already.
  template <class Work>
  static std::size_t of(Work work) {
    const std::size_t before = now;
    most = before;
    work();
    return most - before;
  }
};
}  // namespace onward

#ifdef ONWARD_SANITIZED
// A sanitizer has an operator new of its own, and tells of what it gives and takes.
extern "C" int __sanitizer_install_malloc_and_free_hooks(  // NOLINT: the sanitizer's name
    void (*given)(const volatile void*, std::size_t), void (*taken)(const volatile void*));

namespace onward {
inline const int kPeakBytesHooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void* memory, std::size_t) { PeakBytes::add(const_cast<void*>(memory)); },
    [](const volatile void* memory) { PeakBytes::take(const_cast<void*>(memory)); });
}  // namespace onward
#else
void* operator new(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc{};
  onward::PeakBytes::add(memory);
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  onward::PeakBytes::take(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
#endif
