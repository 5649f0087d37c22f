#pragma once
// SIGBUS: what a process gets when it touches a mapped page that its file does not have any more,
// because somebody cut the file or because the disk cannot read it.
#include <cstddef>

namespace onward {
/// Mapped memory that can be lost without harm: a page that is gone is replaced by zeros that
/// belong to no file, and the process continues. At most eight exist at a time; further ones are
/// not protected. Replaces the handler of SIGBUS when the first one is made.
class LossyMapping {
 public:
  /// `before_end` is called for `memory` when a SIGBUS elsewhere is about to end the process, on
  /// any thread: it may only store into the memory.
  LossyMapping(void* memory, std::size_t size, void (*before_end)(void* memory));
  ~LossyMapping();
  LossyMapping(const LossyMapping&) = delete;
  LossyMapping& operator=(const LossyMapping&) = delete;
  /// Whether a page of it was replaced.
  bool lost() const;

 private:
  int place_ = -1;
};

/// `last_words` is called when a SIGBUS elsewhere is about to end the process; it may only do what
/// is safe in a signal handler.
void on_bus_error(void (*last_words)());
}  // namespace onward
