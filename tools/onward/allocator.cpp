// The binary's allocator is jemalloc (CMakeLists.txt), which reads its settings here: jemalloc(3),
// "TUNING". A thread's cache serves nearly all calls, so two arenas are enough. What is free goes
// back to the system within seconds, by a thread of its own.
#include <jemalloc/jemalloc.h>

#include <thread>

#include "engine/guard/thread_priority.h"

const char* malloc_conf = "narenas:2,max_background_threads:1,dirty_decay_ms:1000";

namespace {
/// Giving back the memory of a large file takes milliseconds, in which events must not wait for a
/// processor. The thread has the niceness of the one that asks for it.
const bool kGivesBackGently = [] {
  std::thread{[] {
    onward::give_way_to_events();
    bool yes = true;
    ::mallctl("background_thread", nullptr, nullptr, &yes, sizeof yes);
  }}.join();
  return true;
}();
}  // namespace
