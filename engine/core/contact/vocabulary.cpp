#include "engine/core/contact/vocabulary.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "engine/core/base/text.h"
#include "engine/core/contact/contact.h"

namespace onward {
namespace {
constexpr auto kNone = EventEffect::None;
constexpr std::size_t kEventTypeMax = 64;

// Aliases are the codes and actions of the systems that Onward answers to, and the other forms of a
// word that people write. An alias stands in one row only; what two of them keep apart (a hard and
// a soft bounce) stays apart.
constexpr std::array kEvents{
    // Consent and lists.
    EventName{"subscription", "sb subscribe subscribed subscription_form",
              "The contact subscribed, by a form or otherwise.", EventEffect::SetsSubscribedAt},
    EventName{"unsubscribe", "u unsubscribed unsubscription", "The contact opted out of a list."},
    EventName{"resubscription", "resubscribed", "A removed contact subscribed again."},
    EventName{"double_optin", "", "The contact confirmed the subscription."},
    EventName{"forget_subscription", "", "The contact asked to be forgotten."},
    EventName{"change_consent", "consent_changed", "The contact changed its consent."},
    EventName{"consent_expiring", "", "The contact's consent is about to expire."},
    EventName{"consent_expired", "", "The contact's consent has expired."},
    EventName{"blocked", "x", "The contact opted out of everything."},
    EventName{"email_spam_complaint", "spam_complaint spam", "The contact called a message spam."},
    // What a contact does by itself.
    EventName{"profile_updated", "up updated edit_subscription profile_form",
              "The contact sent in new details of its own, by a form."},
    EventName{"survey_answered", "survey_response", "The contact answered a survey."},
    EventName{"replied", "r reply", "The contact answered a message."},
    EventName{"annotated", "a", "More was written down about an earlier event."},
    EventName{"competition_entered", "e entered", "The contact entered a competition."},
    EventName{"converted", "p goal_conversion", "The contact reached a goal."},
    EventName{"offer", "of", "A coupon or voucher was issued or redeemed."},
    EventName{"facebook_like", "", "The contact liked a message."},
    EventName{"social_share", "", "The contact shared a message."},
    // E-mail.
    EventName{"sent", "s send email_send email_sent", "A message was sent to the contact.", kNone,
              true},
    EventName{"opened", "o open email_open email_opened", "The contact opened a message.", kNone,
              true},
    EventName{"clicked", "c click email_click email_clicked link_clicked",
              "The contact followed a link.", kNone, true},
    EventName{"bounced", "b bounce email_hard_bounce",
              "A message could not be delivered: bad address.", kNone, true},
    EventName{"email_soft_bounce", "soft_bounced", "A message could not be delivered just now.",
              kNone, true},
    EventName{"throttled", "t", "A message was held up by a crowded network.", kNone, true},
    EventName{"email_field_disable", "", "The contact's e-mail address was switched off."},
    EventName{"cellphone_field_disable", "", "The contact's mobile number was switched off."},
    EventName{"phone_field_disable", "", "The contact's telephone number was switched off."},
    // Other channels.
    EventName{"sms_send", "sms_sent", "A text message was sent.", kNone, true},
    EventName{"sms_delivered", "", "A text message arrived.", kNone, true},
    EventName{"voice_send", "voice_sent", "A voice message was sent.", kNone, true},
    EventName{"web_push_subscription", "", "The contact allowed web push messages."},
    EventName{"web_push_unsubscription", "", "The contact took that back."},
    EventName{"web_push_send", "", "A web push message was sent.", kNone, true},
    EventName{"web_push_delivered", "", "A web push message arrived.", kNone, true},
    EventName{"web_push_open", "", "A web push message was opened.", kNone, true},
    EventName{"web_push_click", "", "A web push message was clicked.", kNone, true},
    EventName{"web_push_bounce", "", "A web push message did not arrive.", kNone, true},
    EventName{"push_send", "", "A push message was sent.", kNone, true},
    EventName{"push_received", "", "A push message arrived.", kNone, true},
    EventName{"push_open", "", "A push message was opened.", kNone, true},
    EventName{"push_click", "", "A push message was clicked.", kNone, true},
    EventName{"push_error", "", "A push message could not be sent.", kNone, true},
    EventName{"push_canceled", "", "A push message was called back.", kNone, true},
    // Web and shop.
    EventName{"viewed", "v view page_view page_viewed", "The contact looked at a page.", kNone,
              true},
    EventName{"product_view", "product_viewed", "The contact looked at a product.", kNone, true},
    EventName{"web_analytics", "wa analytics", "A web analytics request came in.", kNone, true},
    EventName{"new_order", "order ordered order_placed", "The contact placed an order.", kNone,
              true},
    EventName{"cart_update", "cart_updated", "The contact changed its cart.", kNone, true},
    EventName{"cart_abandoned", "ab abandoned cart_abandon abandoned_cart",
              "The contact left a purchase.", kNone, true},
    // What the engine notices; other systems may report the same.
    EventName{"group_joined", "added_to_group", "The contact was added to a group.", kNone, true},
    EventName{"group_left", "removed_from_group", "The contact was taken out of a group.", kNone,
              true},
    EventName{"contact_updated", "", "A value of the contact changed.", kNone, true},
    EventName{"segment_matched", "criteria_met", "The contact began to meet search criteria."},
    EventName{"date_reached", "contact_date_reached", "A date of the contact's was reached."},
};

using Index = std::unordered_map<std::string_view, const EventName*>;

/// Every name and alias.
const Index& index() {
  static const Index kIndex = [] {
    Index made;
    for (const EventName& row : kEvents) {
      made.emplace(row.name, &row);
      for (std::string_view rest = row.aliases; !rest.empty();) {
        const auto space = std::min(rest.find(' '), rest.size());
        made.emplace(rest.substr(0, space), &row);
        rest.remove_prefix(std::min(space + 1, rest.size()));
      }
    }
    return made;
  }();
  return kIndex;
}

bool is_snake_case(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= kEventTypeMax && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || is_digit(c) || c == '_'; });
}
}  // namespace

std::span<const EventName> event_names() { return kEvents; }

const EventName* find_event(std::string_view name) {
  const auto found = index().find(name);
  return found == index().end() ? nullptr : found->second;
}

std::optional<std::string> canonical_event(std::string_view name) {
  if (const EventName* row = find_event(name)) return std::string{row->name};
  if (is_snake_case(name)) return std::string{name};
  return std::nullopt;
}

std::string_view action_of(std::string_view event) {
  static constexpr std::pair<std::string_view, std::string_view> kActions[] = {
      {"sent", "email_send"},
      {"opened", "email_open"},
      {"clicked", "email_click"},
      {"bounced", "email_hard_bounce"},
      {"profile_updated", "edit_subscription"},
      {"converted", "goal_conversion"},
  };
  for (const auto& [ours, theirs] : kActions)
    if (ours == event) return theirs;
  return event;
}

std::string_view events_field(std::string_view field) {
  if (field == "id") return "uid";
  const FieldInfo* info = find_field(field);
  if (!info) return field;
  if (info->field == Field::FirstName) return "name";
  if (info->field == Field::LastName) return "last_name";
  return info->webhook;
}
}  // namespace onward
