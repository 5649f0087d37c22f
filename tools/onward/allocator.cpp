// The binary's allocator is jemalloc (CMakeLists.txt), which reads its settings here: jemalloc(3),
// "TUNING". A thread's cache serves nearly all calls, so two arenas are enough. What is free goes
// back to the system within seconds, by a thread of its own.
#include <jemalloc/jemalloc.h>

const char* malloc_conf =
    "narenas:2,background_thread:true,max_background_threads:1,dirty_decay_ms:1000";
