#pragma once
// A contact's personal statistics: what mailings it received, opened and clicked.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/event.h"
#include "engine/core/time.h"
#include "engine/core/value.h"

namespace onward {
/// One mailing as one contact met it. Times are the events' own, least and greatest.
struct MailingStats {
  std::string mailing;
  std::string subject;
  std::optional<Instant> received;  ///< Least.
  std::optional<Instant> opened_first, opened_last;
  std::optional<Instant> clicked_first, clicked_last;
  bool operator==(const MailingStats&) const = default;
};

/// Numbers count distinct mailings, e-mail only. An open or a click without a mailing moves dates
/// only.
struct Engagement {
  std::vector<MailingStats> mailings;                ///< By name.
  std::optional<Instant> opened_last, clicked_last;  ///< With or without a mailing.
  bool empty() const { return mailings.empty() && !opened_last && !clicked_last; }
  bool operator==(const Engagement&) const = default;

  /// Takes in a sent, opened or clicked event (`data.mailing`, `data.subject`, `data.channel`); any
  /// other event changes nothing. True where something changed.
  bool take(const Event& event);
};

/// The statistics by name ("mailings_received", "open_rate", "last_opened_subject", …), as S2 lists
/// them; null where there is nothing to say.
std::span<const std::string_view> statistic_names();
Value statistic(const Engagement& engagement, std::string_view name);
}  // namespace onward
