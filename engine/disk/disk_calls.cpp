#include "engine/disk/disk_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace onward {
namespace {
DiskCalls system_calls;
std::atomic<DiskCalls*> current_calls = &system_calls;
}  // namespace

int DiskCalls::open(const char* path, int flags, unsigned mode) {
  return ::open(path, flags, mode);
}
ssize_t DiskCalls::write(int descriptor, const void* from, std::size_t size, off_t offset) {
  return ::pwrite(descriptor, from, size, offset);
}
int DiskCalls::sync(int descriptor) { return ::fsync(descriptor); }
int DiskCalls::rename(const char* from, const char* to) { return ::rename(from, to); }
int DiskCalls::link(const char* from, const char* to) { return ::link(from, to); }
int DiskCalls::unlink(const char* path) { return ::unlink(path); }

DiskCalls& disk_calls() { return *current_calls.load(); }

ReplacedDiskCalls::ReplacedDiskCalls(DiskCalls& calls) : before_{current_calls.exchange(&calls)} {}
ReplacedDiskCalls::~ReplacedDiskCalls() { current_calls = before_; }
}  // namespace onward
