#pragma once
// Where a thread says which delivery it is about to work on, so that a crash leaves its name
// behind.
#include "engine/core/base/ids.h"

namespace onward {
/// Called by one thread, a few times for each attempt: a store or two, no system call.
class WorkNote {
 public:
  virtual ~WorkNote() = default;
  virtual void begin(DeliveryKey delivery) = 0;
  virtual void end() = 0;
};

/// While it lives, the delivery is being worked on. No note: nobody is told; 0: a probe, which
/// leaves nothing behind that could be met again.
class Noted {
 public:
  Noted(WorkNote* note, DeliveryKey delivery) : note_{delivery ? note : nullptr} {
    if (note_ != nullptr) note_->begin(delivery);
  }
  ~Noted() {
    if (note_ != nullptr) note_->end();
  }
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;

 private:
  WorkNote* note_;
};
}  // namespace onward
