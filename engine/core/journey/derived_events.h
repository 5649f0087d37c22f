#pragma once
// The queue of events that an input causes. For the files of this folder only.
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "engine/core/contact/event.h"

namespace onward {
/// First in, first out. An event has one more depth than the event during whose dispatch it was
/// pushed; the input's own event has depth 0.
class DerivedEvents {
 public:
  /// Null: no event, only a change of the contact by a node.
  void push(std::shared_ptr<const Event> event) {
    queue_.push_back({std::move(event), depth_ + 1});
  }
  bool has_next() const { return next_ < queue_.size(); }
  std::shared_ptr<const Event> pop() {
    DerivedEvent& next = queue_[next_++];
    depth_ = next.depth;
    return std::move(next.event);
  }
  /// Of the event that was popped last.
  int depth() const { return depth_; }

 private:
  struct DerivedEvent {
    std::shared_ptr<const Event> event;
    int depth = 0;
  };
  std::vector<DerivedEvent> queue_;
  std::size_t next_ = 0;  ///< Those before it are done.
  int depth_ = 0;
};
}  // namespace onward
