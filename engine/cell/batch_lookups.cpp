#include "engine/cell/batch_lookups.h"

#include <algorithm>
#include <cassert>

#include "engine/core/base/sorted.h"

namespace onward {
Hash128 seen_key(const SourceId& source, const EventId& id) {
  std::string bytes;
  bytes.reserve(source.size() + 1 + id.size());
  bytes += source;
  bytes += '\0';
  bytes += id;
  return hash128(bytes);
}

namespace {
/// Puts what was asked for into order, each once.
template <class Asked>
void put_in_order(Asked& asked) {
  sort_unique(asked, &Asked::value_type::first);
}

/// The place of `key`; null where it was not asked for.
template <class Asked, class Key>
auto* found_in(Asked& asked, const Key& key) {
  const auto place = std::ranges::lower_bound(asked, key, {}, &Asked::value_type::first);
  return place == asked.end() || place->first != key ? nullptr : &place->second;
}
}  // namespace

void BatchLookups::note(std::span<const Work> work) {
  for (const Work& item : work) {
    if (const ContactRef* who = contact_ref_of(*item.input)) {
      if (who->id) by_id_.push_back({who->id->text, {}});
      if (!who->email.empty()) by_email_.push_back({who->email, {}});
    }
    const auto* event = std::get_if<EventInput>(item.input);
    if (event != nullptr && !event->id.empty())
      seen_.push_back({seen_key(event->source, event->id), {}});
  }
  put_in_order(by_id_);
  put_in_order(by_email_);
  put_in_order(seen_);
}

Result<bool> BatchLookups::look_up(std::size_t count) {
  const std::size_t from = looked_up_;
  const auto part = [from, count](auto& asked) {
    const std::size_t first = std::min(from, asked.size());
    return std::span{asked}.subspan(first, std::min(count, asked.size() - first));
  };
  const auto by_id = part(by_id_);
  const auto by_email = part(by_email_);
  const auto seen = part(seen_);
  if (!by_id.empty() || !by_email.empty()) {
    std::vector<IdentityQuery> queries(std::max(by_id.size(), by_email.size()));
    for (std::size_t i = 0; i < by_id.size(); ++i) queries[i].id = by_id[i].first;
    for (std::size_t i = 0; i < by_email.size(); ++i) queries[i].email = by_email[i].first;
    auto matches = store_.identify(queries);
    if (!matches) return tl::make_unexpected(std::move(matches.error()));
    for (std::size_t i = 0; i < by_id.size(); ++i) by_id[i].second = (*matches)[i].by_id;
    for (std::size_t i = 0; i < by_email.size(); ++i)
      by_email[i].second = std::move((*matches)[i].by_email);
  }
  if (!seen.empty()) {
    std::vector<Hash128> keys;
    keys.reserve(seen.size());
    for (const auto& [key, fingerprint] : seen) keys.push_back(key);
    auto fingerprints = store_.seen(keys, now_);
    if (!fingerprints) return tl::make_unexpected(std::move(fingerprints.error()));
    for (std::size_t i = 0; i < keys.size(); ++i) seen[i].second = (*fingerprints)[i];
  }
  const std::size_t all = std::max({by_id_.size(), by_email_.size(), seen_.size()});
  looked_up_ = count >= all - std::min(from, all) ? all : from + count;
  return looked_up_ < all;
}

BatchLookups::Match BatchLookups::resolve(const ContactRef& who) const {
  using Holder = IdentityMatch::Holder;
  static const std::vector<Holder> kNobody;
  const auto* held = who.email.empty() ? nullptr : found_in(by_email_, who.email);
  const std::vector<Holder>& holders = held == nullptr ? kNobody : *held;
  if (who.id) {
    const auto* found = found_in(by_id_, who.id->text);
    if (found != nullptr && *found) return {.contact = *found, .by_id = true};
    if (std::ranges::count(holders, false, &Holder::has_id) != 1) return {};
    return {.contact = std::ranges::find(holders, false, &Holder::has_id)->contact};
  }
  if (holders.empty()) return {};
  return {.contact = holders.front().contact, .ambiguous = holders.size() > 1};
}

void BatchLookups::rename(const Changes::Identity& before, const Contact& contact) {
  const std::string id = contact.id ? contact.id->text : std::string{};
  const std::string email = contact.email();
  change(IdentityChange::Kind::Id, before.id, id, contact.key, !id.empty());
  change(IdentityChange::Kind::Email, before.email, email, contact.key, !id.empty());
  if (before.id.empty() && !id.empty())
    if (auto* held = found_in(by_email_, email))
      for (auto& holder : *held)
        if (holder.contact == contact.key) holder.has_id = true;
}

void BatchLookups::change(IdentityChange::Kind kind, const std::string& before,
                          const std::string& after, ContactKey contact, bool has_id) {
  if (before == after) return;
  const bool is_id = kind == IdentityChange::Kind::Id;
  if (!before.empty()) {
    identity_rows_.push_back({.kind = kind, .value = before, .contact = contact, .removed = true});
    if (is_id) {
      if (auto* found = found_in(by_id_, before)) found->reset();
    } else if (auto* held = found_in(by_email_, before)) {
      std::erase_if(*held, [&](const auto& holder) { return holder.contact == contact; });
    }
  }
  if (after.empty()) return;
  identity_rows_.push_back({.kind = kind, .value = after, .contact = contact});
  if (is_id) {
    if (auto* found = found_in(by_id_, after)) *found = contact;
  } else if (auto* held = found_in(by_email_, after)) {
    held->push_back({.contact = contact, .has_id = has_id});
    std::ranges::sort(*held, {}, &IdentityMatch::Holder::contact);
  }
}

BatchLookups::Sighting BatchLookups::remember(const EventInput& event) {
  const Hash128 key = seen_key(event.source, event.id);
  auto* seen = found_in(seen_, key);
  assert(seen != nullptr && "it was looked up");
  if (*seen) return **seen == event.fingerprint ? Sighting::Duplicate : Sighting::Conflict;
  *seen = event.fingerprint;
  seen_rows_.push_back({.key = key, .fingerprint = event.fingerprint, .at = now_});
  return Sighting::New;
}

void BatchLookups::forget(const EventInput& event) {
  if (auto* seen = found_in(seen_, seen_key(event.source, event.id))) seen->reset();
  seen_rows_.pop_back();
}

void BatchLookups::finish(Commit& commit) {
  commit.identities = std::move(identity_rows_);
  commit.seen = std::move(seen_rows_);
}
}  // namespace onward
