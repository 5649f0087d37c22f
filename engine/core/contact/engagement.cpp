#include "engine/core/contact/engagement.h"

#include <algorithm>
#include <array>

#include "engine/core/base/clipped.h"
#include "engine/core/contact/contact_size.h"

namespace onward {
namespace {
constexpr std::size_t kSubjectNameMax = 256;  // of a mailing; longer ones are cut
constexpr std::size_t kSubjectMax = 1024;     // a subject's
/// What a mailing may still get: its subject and its times.
constexpr std::size_t kMailingGrowth = kSubjectMax + 64;

struct StatisticRow {
  std::string_view name;
  FieldType type;
};
// In the order of the enumeration.
constexpr std::array kStatistics{
    StatisticRow{"mailings_received", FieldType::Number},
    StatisticRow{"mailings_opened", FieldType::Number},
    StatisticRow{"mailings_clicked", FieldType::Number},
    StatisticRow{"open_rate", FieldType::Number},
    StatisticRow{"click_rate", FieldType::Number},
    StatisticRow{"first_received_at", FieldType::Instant},
    StatisticRow{"first_received_subject", FieldType::Text},
    StatisticRow{"last_received_at", FieldType::Instant},
    StatisticRow{"last_received_subject", FieldType::Text},
    StatisticRow{"last_opened_at", FieldType::Instant},
    StatisticRow{"last_opened_subject", FieldType::Text},
    StatisticRow{"last_clicked_at", FieldType::Instant},
};

bool lessen(std::optional<Instant>& least, Instant at) {
  if (least && *least <= at) return false;
  least = at;
  return true;
}

bool raise(std::optional<Instant>& greatest, Instant at) {
  if (greatest && *greatest >= at) return false;
  greatest = at;
  return true;
}

/// `text` in at most `size` bytes, never cut inside a character.
std::string cut_short(std::string text, std::size_t size) {
  text.resize(leading_characters(text, size).size());
  return text;
}

/// A scalar member as text; empty where there is none.
std::string text_member(const Value& data, std::string_view name) {
  const Value* value = data.find(name);
  return !value || value->list() || value->map() ? std::string{} : to_text(*value);
}

/// The mailing's name by any of its names: ours, or one of a system that Onward answers to.
std::string mailing_of(const Value& data) {
  for (const std::string_view name : {"mailing", "messageHash", "campaignId"})
    if (std::string mailing = text_member(data, name); !mailing.empty())
      return cut_short(std::move(mailing), kSubjectNameMax);
  return {};
}

Value or_null(const std::optional<Instant>& instant) { return instant ? Value{*instant} : Value{}; }

std::int64_t count(const Engagement& engagement, std::optional<Instant> MailingStats::*what) {
  return std::count_if(engagement.mailings.begin(), engagement.mailings.end(),
                       [&](const MailingStats& m) { return (m.*what).has_value(); });
}

Value rate(const Engagement& engagement, std::optional<Instant> MailingStats::*what) {
  if (engagement.mailings.empty()) return {};
  return static_cast<double>(count(engagement, what)) /
         static_cast<double>(engagement.mailings.size());
}

/// The mailing whose `time` is least or greatest; null where none has one.
template <class Time>
const MailingStats* extreme(const Engagement& engagement, Time time, bool greatest) {
  const MailingStats* found = nullptr;
  for (const MailingStats& mailing : engagement.mailings) {
    const auto at = time(mailing);
    if (!at) continue;
    if (!found || (greatest ? *at > *time(*found) : *at < *time(*found))) found = &mailing;
  }
  return found;
}

Value engagement_subject(const MailingStats* mailing) {
  return mailing && !mailing->subject.empty() ? Value{mailing->subject} : Value{};
}
}  // namespace

std::optional<Instant> MailingStats::arrived() const {
  if (received) return received;
  if (opened_first && clicked_first) return std::min(*opened_first, *clicked_first);
  return opened_first ? opened_first : clicked_first;
}

const MailingStats* Engagement::find(std::string_view mailing) const {
  const auto at =
      std::lower_bound(mailings.begin(), mailings.end(), mailing,
                       [](const MailingStats& m, std::string_view n) { return m.mailing < n; });
  return at != mailings.end() && at->mailing == mailing ? &*at : nullptr;
}

bool Engagement::take(const Event& event) {
  return take(event, mailing_bytes_max(kContactBytesMax));
}

bool Engagement::take(const Event& event, std::size_t bytes_max, bool* full) {
  const bool opened = event.type == "opened", clicked = event.type == "clicked";
  if (!opened && !clicked && event.type != "sent") return false;
  const std::string channel = text_member(event.data, "channel");
  if (!channel.empty() && channel != "email") return false;

  bool changed = false;
  if (opened) changed |= raise(opened_last, event.at);
  if (clicked) changed |= raise(clicked_last, event.at);
  std::string name = mailing_of(event.data);
  if (name.empty()) return changed;

  auto at =
      std::lower_bound(mailings.begin(), mailings.end(), name,
                       [](const MailingStats& m, const std::string& n) { return m.mailing < n; });
  if (at == mailings.end() || at->mailing != name) {
    const std::size_t added = stored_bytes(MailingStats{.mailing = name}) + kMailingGrowth;
    if (mailings.size() >= kMailingsMax || stored_bytes(*this) + added > bytes_max) {
      if (full) *full = true;
      return changed;
    }
    at = mailings.insert(at, MailingStats{.mailing = std::move(name)});
    changed = true;
  }
  if (at->subject.empty()) {
    std::string subject = cut_short(text_member(event.data, "subject"), kSubjectMax);
    if (!subject.empty() && stored_bytes(*this) + subject.size() <= bytes_max) {
      at->subject = std::move(subject);
      changed = true;
    }
  }
  if (opened) {
    changed |= lessen(at->opened_first, event.at);
    changed |= raise(at->opened_last, event.at);
  } else if (clicked) {
    changed |= lessen(at->clicked_first, event.at);
    changed |= raise(at->clicked_last, event.at);
  } else {
    changed |= lessen(at->received, event.at);
  }
  return changed;
}

std::span<const std::string_view> statistic_names() {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kStatistics.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kStatistics[i].name;
    return names;
  }();
  return kNames;
}

std::optional<Statistic> find_statistic(std::string_view name) {
  for (std::size_t i = 0; i < kStatistics.size(); ++i)
    if (kStatistics[i].name == name) return static_cast<Statistic>(i);
  return std::nullopt;
}

FieldType type_of(Statistic statistic) {
  return kStatistics[static_cast<std::size_t>(statistic)].type;
}

Value statistic(const Engagement& engagement, Statistic statistic) {
  const auto arrived = [](const MailingStats& m) { return m.arrived(); };
  const auto opened = [](const MailingStats& m) { return m.opened_last; };
  const auto at = [&](bool greatest) {
    const MailingStats* mailing = extreme(engagement, arrived, greatest);
    return mailing ? or_null(mailing->arrived()) : Value{};
  };
  switch (statistic) {
    case Statistic::MailingsReceived:
      return static_cast<std::int64_t>(engagement.mailings.size());
    case Statistic::MailingsOpened:
      return count(engagement, &MailingStats::opened_first);
    case Statistic::MailingsClicked:
      return count(engagement, &MailingStats::clicked_first);
    case Statistic::OpenRate:
      return rate(engagement, &MailingStats::opened_first);
    case Statistic::ClickRate:
      return rate(engagement, &MailingStats::clicked_first);
    case Statistic::FirstReceivedAt:
      return at(/*greatest=*/false);
    case Statistic::FirstReceivedSubject:
      return engagement_subject(extreme(engagement, arrived, /*greatest=*/false));
    case Statistic::LastReceivedAt:
      return at(/*greatest=*/true);
    case Statistic::LastReceivedSubject:
      return engagement_subject(extreme(engagement, arrived, /*greatest=*/true));
    case Statistic::LastOpenedAt:
      return or_null(engagement.opened_last);
    case Statistic::LastOpenedSubject:
      return engagement_subject(extreme(engagement, opened, /*greatest=*/true));
    case Statistic::LastClickedAt:
      return or_null(engagement.clicked_last);
  }
  return {};
}

Value statistic(const Engagement& engagement, std::string_view name) {
  const auto found = find_statistic(name);
  return found ? statistic(engagement, *found) : Value{};
}
}  // namespace onward
