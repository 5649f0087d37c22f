#pragma once
// An answer as the bytes that a connection sends. Knows no socket.
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/api/http.h"

namespace onward {
/// What the answer depends on beside the reply.
struct AnswerForm {
  bool head_only = false;  ///< The answer to HEAD has no content.
  bool keep_alive = true;
  bool http10 = false;
};

/// The answer that a connection sends; one at a time.
class OutgoingAnswer {
 public:
  /// A text in two pieces: of the head, with a short content, and of a content that is too long to
  /// be copied behind it.
  struct Pieces {
    std::string_view first, second;
  };

  /// Replaces the answer before.
  void set(ApiReply reply, const AnswerForm& form);
  /// What is left to send. Valid until the answer changes.
  Pieces unsent() const;
  void sent(std::size_t count) { sent_ += count; }
  bool is_sent() const { return sent_ == size(); }
  std::size_t size() const { return head_.size() + long_content_.content().size(); }
  /// Of this answer alone: a text that all clients share is not counted.
  std::size_t memory() const { return head_.capacity() + long_content_.body.capacity(); }
  /// Gives the memory back.
  void forget();

 private:
  std::string head_;  ///< And a short content.
  ApiReply long_content_;
  std::size_t sent_ = 0;
};
}  // namespace onward
