#pragma once
// A contact's personal statistics: what mailings it received, opened and clicked.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/event.h"

namespace onward {
/// One mailing as one contact met it. Times are the events' own, least and greatest.
struct MailingStats {
  std::string mailing;
  std::string subject;
  std::optional<Instant> received;  ///< Least.
  std::optional<Instant> opened_first, opened_last;
  std::optional<Instant> clicked_first, clicked_last;
  bool operator==(const MailingStats&) const = default;
  /// When it arrived, or at the latest: an open without a sent event shows it too.
  std::optional<Instant> arrived() const;
};

/// Mailings of which one contact keeps statistics: later ones move dates only, so that numbers
/// never fall and one contact never weighs on the others.
inline constexpr std::size_t kMailingsMax = 2'000;

/// Numbers count distinct mailings, e-mail only. An open or a click without a mailing moves dates
/// only.
struct Engagement {
  std::vector<MailingStats> mailings;                ///< By name.
  std::optional<Instant> opened_last, clicked_last;  ///< With or without a mailing.
  bool empty() const { return mailings.empty() && !opened_last && !clicked_last; }
  bool operator==(const Engagement&) const = default;

  /// Takes in a sent, opened or clicked event (`data.mailing`, also called `messageHash` or
  /// `campaignId`; `data.subject`, `data.channel`); any other event changes nothing. True where
  /// something changed. A mailing that is new is not kept where there are kMailingsMax, or where
  /// all would take more than `bytes_max`; `full`, if it is given, becomes true then.
  bool take(const Event& event, std::size_t bytes_max, bool* full = nullptr);
  bool take(const Event& event);
  /// The mailing of that name; null where this contact never met it.
  const MailingStats* find(std::string_view mailing) const;
};

/// What can be said about a contact's mailings, in the order of `statistic_names`.
enum class Statistic : std::uint8_t {
  MailingsReceived,
  MailingsOpened,
  MailingsClicked,
  OpenRate,
  ClickRate,
  FirstReceivedAt,
  FirstReceivedSubject,
  LastReceivedAt,
  LastReceivedSubject,
  LastOpenedAt,
  LastOpenedSubject,
  LastClickedAt,
};

/// The statistics by name ("mailings_received", "open_rate", "last_opened_subject", …); null where
/// there is nothing to say. An open or a click shows that its mailing was received.
std::span<const std::string_view> statistic_names();
std::optional<Statistic> find_statistic(std::string_view name);
FieldType type_of(Statistic statistic);
Value statistic(const Engagement& engagement, Statistic statistic);
Value statistic(const Engagement& engagement, std::string_view name);
}  // namespace onward
