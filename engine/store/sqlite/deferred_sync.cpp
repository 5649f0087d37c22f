#include "engine/store/sqlite/deferred_sync.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/store/sqlite/page_scrub.h"

namespace onward {
namespace {
/// Of the file, each written out by itself.
constexpr off_t kSlices = 64;
constexpr off_t kSliceLeast = 1 << 20;
}  // namespace

DeferredSync::DeferredSync(sqlite3_file* file, int descriptor)
    : file_{file},
      descriptor_{descriptor},
      original_{file->pMethods},
      methods_{.calls = *original_, .self = this} {
  methods_.calls.xSync = &DeferredSync::on_sync;
  methods_.calls.xWrite = &DeferredSync::on_write;
  original_->xFileSize(file_, &bytes_);
  file_->pMethods = &methods_.calls;
}

DeferredSync::~DeferredSync() {
  file_->pMethods = original_;
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

int DeferredSync::on_sync(sqlite3_file* file, int flags) {
  DeferredSync& self = *reinterpret_cast<const Methods*>(file->pMethods)->self;
  if (!self.leaving_out_) return self.original_->xSync(file, flags);
  self.left_out_ = flags;
  return SQLITE_OK;
}

/// Every page of the database comes from a checkpoint through here.
int DeferredSync::on_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  DeferredSync& self = *reinterpret_cast<const Methods*>(file->pMethods)->self;
  self.bytes_ = std::max(self.bytes_, offset + size);
  if (size == static_cast<int>(kPageSize) && self.bytes_ <= kScrubbedBytesMax) {
    std::memcpy(self.page_.data(), bytes, kPageSize);
    if (scrub_page(self.page_.data(), offset == 0)) bytes = self.page_.data();
  }
  return self.original_->xWrite(file, bytes, size, offset);
}

void DeferredSync::begin(Duration length) {
  {
    const std::lock_guard lock{mutex_};
    assert(!wanted_ && !done_);
    wanted_ = left_out_;
    length_ = length;
  }
  if (!thread_.joinable()) thread_ = std::thread{[this] { run(); }};
  changed_.notify_all();
}

std::optional<int> DeferredSync::result() {
  const std::lock_guard lock{mutex_};
  if (done_) left_out_.reset();
  return std::exchange(done_, {});
}

int DeferredSync::wait() {
  std::unique_lock lock{mutex_};
  length_ = {};
  changed_.notify_all();
  changed_.wait(lock, [&] { return done_.has_value(); });
  left_out_.reset();
  return *std::exchange(done_, {});
}

/// Has the kernel write what it holds of the file, slice by slice, which leaves little for the
/// sync. No more than a hint: what cannot be done is left to that.
void DeferredSync::write_out(std::unique_lock<std::mutex>& lock) {
  struct stat found {};
  if (length_ <= Duration{} || ::fstat(descriptor_, &found) != 0) return;
  const off_t slice = std::max(kSliceLeast, found.st_size / kSlices);
  const Duration pause = length_ / std::max<off_t>(1, found.st_size / slice);
  for (off_t from = 0; from < found.st_size; from += slice) {
    lock.unlock();
    const int fault = ::sync_file_range(
        descriptor_, from, slice,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    lock.lock();
    const auto hurried = [&] { return stopping_ || length_ <= Duration{}; };
    if (fault != 0 || changed_.wait_for(lock, pause, hurried)) return;
  }
}

void DeferredSync::run() {
  ::pthread_setname_np(::pthread_self(), "onward-sync");
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || wanted_; });
    if (!wanted_) return;
    const int flags = *std::exchange(wanted_, {});
    write_out(lock);
    lock.unlock();
    const int code = original_->xSync(file_, flags);
    lock.lock();
    done_ = code;
    changed_.notify_all();
  }
}
}  // namespace onward
