#include "engine/core/contact/contact_size.h"

#include <bit>
#include <variant>

namespace onward {
namespace {
/// As variable-length integers are stored: seven bits a byte.
std::size_t number_bytes(std::uint64_t number) {
  return number == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(number)) + 6) / 7;
}
std::size_t signed_bytes(std::int64_t number) {
  return number_bytes(static_cast<std::uint64_t>(number) << 1 ^
                      static_cast<std::uint64_t>(number >> 63));
}
std::size_t text_bytes(std::string_view text) { return number_bytes(text.size()) + text.size(); }
std::size_t instant_bytes(Instant at) { return signed_bytes(at.time_since_epoch().count()); }
std::size_t difference_bytes(Instant base, Instant at) {
  return signed_bytes(
      static_cast<std::int64_t>(static_cast<std::uint64_t>(at.time_since_epoch().count()) -
                                static_cast<std::uint64_t>(base.time_since_epoch().count())));
}
std::size_t texts_bytes(const std::vector<std::string>& texts) {
  std::size_t bytes = number_bytes(texts.size());
  for (const std::string& text : texts) bytes += text_bytes(text);
  return bytes;
}

/// No less than what the patch can add.
std::size_t added_at_most(const ContactPatch& patch) {
  constexpr std::size_t kCounts = 8;  // of how many there are, which may take a byte more
  std::size_t bytes = kCounts;
  for (const auto& [field, value] : patch.fields) bytes += 1 + stored_bytes(value);
  for (const auto& [name, value] : patch.custom) bytes += text_bytes(name) + stored_bytes(value);
  if (patch.groups) bytes += texts_bytes(*patch.groups);
  return bytes + texts_bytes(patch.groups_add);
}
}  // namespace

std::size_t stored_bytes(const Value& value) {
  struct Visitor {
    std::size_t operator()(std::monostate) const { return 1; }
    std::size_t operator()(bool) const { return 1; }
    std::size_t operator()(std::int64_t number) const { return 1 + signed_bytes(number); }
    std::size_t operator()(double) const { return 1 + sizeof(double); }
    std::size_t operator()(const std::string& text) const { return 1 + text_bytes(text); }
    std::size_t operator()(Date day) const {
      return 1 + signed_bytes(day.time_since_epoch().count());
    }
    std::size_t operator()(Instant at) const { return 1 + instant_bytes(at); }
    std::size_t operator()(const ValueList& list) const {
      std::size_t bytes = 1 + number_bytes(list.size());
      for (const Value& item : list) bytes += stored_bytes(item);
      return bytes;
    }
    std::size_t operator()(const ValueMap& map) const {
      std::size_t bytes = 1 + number_bytes(map.size());
      for (const auto& [name, item] : map) bytes += text_bytes(name) + stored_bytes(item);
      return bytes;
    }
  };
  return std::visit(Visitor{}, value.rep());
}

std::size_t stored_bytes(const Contact& contact) {
  constexpr std::size_t kHead = 2;  // format and flags
  std::size_t bytes = kHead + (contact.id ? text_bytes(contact.id->text) : 0) +
                      instant_bytes(contact.created_at) +
                      difference_bytes(contact.created_at, contact.updated_at) +
                      number_bytes(contact.fields.size()) + number_bytes(contact.custom.size());
  for (const auto& [field, value] : contact.fields) bytes += 1 + stored_bytes(value);
  for (const auto& [name, value] : contact.custom) bytes += text_bytes(name) + stored_bytes(value);
  return bytes + texts_bytes(contact.groups);
}

std::size_t stored_bytes(const MailingStats& mailing) {
  std::size_t bytes = 1 + text_bytes(mailing.mailing) + text_bytes(mailing.subject);
  for (const auto* when : {&mailing.received, &mailing.opened_first, &mailing.opened_last,
                           &mailing.clicked_first, &mailing.clicked_last})
    if (*when) bytes += instant_bytes(**when);
  return bytes;
}

std::size_t stored_bytes(const Engagement& engagement) {
  if (engagement.empty()) return 0;  // has no row
  constexpr std::size_t kHead = 2;
  std::size_t bytes = kHead + number_bytes(engagement.mailings.size());
  for (const auto* when : {&engagement.opened_last, &engagement.clicked_last})
    if (*when) bytes += instant_bytes(**when);
  for (const MailingStats& mailing : engagement.mailings) bytes += stored_bytes(mailing);
  return bytes;
}

bool fits(const Contact& contact, const Engagement& engagement, const ContactPatch& patch,
          std::size_t most, std::size_t beside) {
  const std::size_t before = stored_bytes(contact) + stored_bytes(engagement);
  if (before + beside + added_at_most(patch) <= most) return true;
  Contact changed = contact;
  apply_patch(changed, patch, changed.updated_at);
  const std::size_t after = stored_bytes(changed) + stored_bytes(engagement) + beside;
  return after <= most || after <= before;
}
}  // namespace onward
