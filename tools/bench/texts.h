#pragma once
// The scenarios, events and bodies that the benchmark measures with. Tests hold the scenarios to be
// without mistakes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onward::bench {
/// Known contacts are c0, c1, … with the address person0@bench.example.org, …
inline constexpr std::string_view kKnownDomain = "@bench.example.org";

/// An event of contact c<contact> under a new id.
void append_event(std::string& out, std::string_view type, std::uint64_t contact,
                  std::uint64_t number, std::int64_t sent_ns);
/// The same, and the event brings the contact's address, for those who know no contacts.
void append_event_with_email(std::string& out, std::string_view type, std::uint64_t contact,
                             std::uint64_t number, std::int64_t sent_ns);
/// An event that makes contact c<contact> known, for `?mode=history`.
void append_contact(std::string& out, std::uint64_t contact);

/// About what Onward posts for an event of `webhook_scenario`.
std::string webhook_like_ours();

/// A trigger, a condition on the email, and a Send Webhook node to `port` of 127.0.0.1; `domain`
/// decides whether known contacts pass. The body is about 300 bytes.
std::string webhook_scenario(std::string_view id, std::string_view event, std::uint16_t port,
                             std::string_view domain = kKnownDomain);
/// A trigger, a wait of thirty days, and a condition behind it.
std::string waiting_scenario(std::string_view id, std::string_view event);
/// A trigger, a wait until an instant ("2026-05-01T09:00:00Z"), and a condition behind it.
std::string due_scenario(std::string_view id, std::string_view event, std::string_view until);
/// A trigger for `event` with a `where` that no event meets, then a webhook.
std::string unmatched_scenario(std::string_view id, std::string_view event);
/// One path of `nodes` nodes: a trigger, conditions and splits in turn, a webhook at its end.
std::string path_scenario(std::string_view id, std::string_view event, int nodes);
/// A file with `nodes` nodes of all kinds, as a large program of an author would be.
std::string large_scenario(int nodes);
/// Nearly as many nodes as a scenario may have, and comments up to about `bytes`, never more: what
/// takes longest to read. Another `number` makes another text.
std::string padded_scenario(std::size_t bytes, int number);
/// A journey as people simulate it: a condition, a wait, a split, a change, a webhook.
std::string journey_scenario();
}  // namespace onward::bench
