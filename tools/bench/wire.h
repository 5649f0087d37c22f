#pragma once
// The little HTTP/1.1 and the little socket work that the receiver and the load generator share.
// Raw on purpose: what measures must cost little beside what is measured.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onward::bench {
/// Nanoseconds of CLOCK_MONOTONIC: the same for every thread and process of the machine.
std::int64_t now_ns();

/// A whole message at the front of a buffer.
struct Message {
  std::string_view head;  ///< Start line and headers.
  std::string_view body;
  std::size_t size = 0;  ///< Of both.
};
/// The first message of `buffer`, framed by Content-Length (none means no body); nothing while it
/// is incomplete.
std::optional<Message> first_message(std::string_view buffer);

/// The text of a header, or "" where there is none. `name` in lower case.
std::string_view header(std::string_view head, std::string_view name);

/// The number right after `key` in `text`; nothing where `key` does not occur.
std::optional<std::int64_t> number_after(std::string_view text, std::string_view key);

/// A benchmark that cannot go on says why and ends.
[[noreturn]] void give_up(const std::string& why);

/// A listening, non-blocking socket on a port of 127.0.0.1; 0 takes any free one.
struct Listener {
  int descriptor = -1;
  std::uint16_t port = 0;
};
Listener listen_on_loopback(std::uint16_t port = 0);
/// Whether somebody listens on that port of 127.0.0.1.
bool is_open(std::uint16_t port);
/// A port on which nobody listens.
std::uint16_t closed_port();
/// A connected, non-blocking socket.
int connect_to_loopback(std::uint16_t port);

/// Where an event's time of sending and number travel, from the post through the webhook's body:
/// "mark":"<number>.<nanoseconds>".
std::string mark(std::uint64_t number, std::int64_t sent_ns);
struct Mark {
  std::uint64_t number = 0;
  std::int64_t sent_ns = 0;
};
std::optional<Mark> find_mark(std::string_view body);
}  // namespace onward::bench
