#pragma once
// Finished answers on their way to the io thread. Includes Asio; only the connection and the server
// include this file.
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/api/http.h"
#include "engine/api/work_thread.h"
#include "engine/core/base/log_record.h"

namespace onward {
class Connection;

/// Finished answers on their way to the io thread. Outlives the server as long as somebody may
/// still answer; after `close` answers fall away.
class AnswerOutbox : public std::enable_shared_from_this<AnswerOutbox> {
 public:
  AnswerOutbox(boost::asio::io_context& io, LogSink log) : io_{&io}, log_{std::move(log)} {}
  /// Starts the thread of long replies.
  void start() { long_replies_.start("onward-replies"); }
  /// Any thread. Wakes the io thread only where it has not been told yet.
  void push(std::weak_ptr<Connection> to, std::uint64_t request, Completion completion);
  /// Any thread: many answers come at once, and the io thread is woken after the last of them.
  void gather(bool begins);
  /// Waits for a reply that is being made.
  void close();

 private:
  struct Item {
    std::weak_ptr<Connection> to;
    std::uint64_t request;
    Completion completion;
  };
  void wake();
  void deliver();
  ApiReply made(Completion completion) const;

  std::mutex mutex_;
  boost::asio::io_context* io_;  // null when closed
  const LogSink log_;
  std::vector<Item> items_;
  bool woken_ = false;  // and has not looked yet
  int gathering_ = 0;
  WorkThread long_replies_;
};
}  // namespace onward
