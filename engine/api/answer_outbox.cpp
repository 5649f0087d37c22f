#include "engine/api/answer_outbox.h"

#include <boost/asio/post.hpp>

#include "engine/api/connection.h"
#include "engine/api/problem.h"
#include "engine/guard/guarded.h"

namespace onward {
void AnswerOutbox::push(std::weak_ptr<Connection> to, std::uint64_t request,
                        Completion completion) {
  if (completion.long_reply)
    return long_replies_.post(
        [this, to = std::move(to), request, completion = std::move(completion)]() mutable {
          push(std::move(to), request, {.reply = made(std::move(completion)), .make = {}});
        });
  const std::lock_guard lock{mutex_};
  if (!io_) return;
  items_.push_back({std::move(to), request, std::move(completion)});
  wake();
}

void AnswerOutbox::gather(bool begins) {
  const std::lock_guard lock{mutex_};
  gathering_ += begins ? 1 : -1;
  if (io_) wake();
}

void AnswerOutbox::wake() {
  if (gathering_ > 0 || woken_ || items_.empty()) return;
  woken_ = true;
  boost::asio::post(*io_, [self = shared_from_this()] { self->deliver(); });
}

void AnswerOutbox::close() {
  long_replies_.stop();
  std::vector<Item> dropped;  // destroyed outside the lock: a dropped reply may come back here
  const std::lock_guard lock{mutex_};
  io_ = nullptr;
  dropped.swap(items_);
}

void AnswerOutbox::deliver() {
  std::vector<Item> items;
  {
    const std::lock_guard lock{mutex_};
    items.swap(items_);
    woken_ = false;
  }
  for (Item& item : items) {
    const auto connection = item.to.lock();
    if (!connection) continue;
    connection->answer(item.request, made(std::move(item.completion)));
  }
}

ApiReply AnswerOutbox::made(Completion completion) const {
  if (!completion.make) return std::move(completion.reply);
  auto reply = guarded("http.reply", log_, completion.make);
  return reply ? std::move(*reply) : problem_of(reply.error());
}
}  // namespace onward
