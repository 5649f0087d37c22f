#include "engine/store/deferred_sync.h"

#include <pthread.h>

#include <cassert>
#include <utility>

namespace onward {
DeferredSync::DeferredSync(sqlite3_file* file)
    : file_{file}, original_{file->pMethods}, methods_{.calls = *original_, .self = this} {
  methods_.calls.xSync = &DeferredSync::on_sync;
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

void DeferredSync::begin() {
  {
    const std::lock_guard lock{mutex_};
    assert(!wanted_ && !done_);
    wanted_ = left_out_;
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
  changed_.wait(lock, [&] { return done_.has_value(); });
  left_out_.reset();
  return *std::exchange(done_, {});
}

void DeferredSync::run() {
  ::pthread_setname_np(::pthread_self(), "onward-sync");
  std::unique_lock lock{mutex_};
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || wanted_; });
    if (!wanted_) return;
    const int flags = *std::exchange(wanted_, {});
    lock.unlock();
    const int code = original_->xSync(file_, flags);
    lock.lock();
    done_ = code;
    changed_.notify_all();
  }
}
}  // namespace onward
