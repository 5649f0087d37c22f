#include "engine/control/secret_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/core/base/clipped.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
/// Few, all in memory.
constexpr std::size_t kSecretsMax = 1'000;

AdminKind row_kind(SecretKind kind) {
  return kind == SecretKind::Secret ? AdminKind::Secret : AdminKind::Credential;
}

std::optional<SecretKind> kind_of(const AdminRecord& row) {
  if (row.kind == AdminKind::Secret) return SecretKind::Secret;
  if (row.kind == AdminKind::Credential) return SecretKind::Credential;
  return std::nullopt;
}

tl::unexpected<Error> invalid(std::string code, std::string message) {
  return fail(ErrorKind::Invalid, std::move(code), std::move(message));
}

/// Secret and value to a new value, or why not.
Status take_value(StoredSecret& stored, const SecretChange& wanted, bool known, Instant now) {
  if (Status sound = check_secret_value(wanted.value); !sound) return sound;
  if (stored.value == wanted.value && known) {
    // The same again takes nobody's place; without --rotate it ends a rotation all the same.
    if (!wanted.rotate) {
      wipe(stored.previous);
      stored.rotated.reset();
    }
    return {};
  }
  if (wanted.rotate && known) {
    stored.previous = stored.value;
    stored.rotated = now;
  } else {
    wipe(stored.previous);
    stored.rotated.reset();
  }
  stored.value = wanted.value;
  stored.set = now;
  return {};
}

/// The scheme of a credential and what goes with it.
Status take_scheme(StoredSecret& stored, const SecretChange& wanted, bool known) {
  if (wanted.scheme == AuthScheme::None) {
    if (known) return {};
    return invalid("no_scheme", "a credential wants one of basic, bearer and header");
  }
  if (Status sound = check_login(wanted.scheme, wanted.login); !sound) return sound;
  // What belonged to another scheme is no value of this one.
  if (known && wanted.scheme != stored.scheme && wanted.value.empty())
    return invalid("no_value",
                   fmt::format("it was {} so far: with another scheme comes another value",
                               to_string(stored.scheme)));
  stored.scheme = wanted.scheme;
  stored.login = wanted.login;
  return {};
}
}  // namespace

SecretBook::SecretBook(Vault vault, const ControlSnapshot& snapshot) : vault_{std::move(vault)} {
  for (const AdminRecord& row : snapshot.admin) take(row);
  publish();
}

void SecretBook::take(const AdminRecord& row) {
  const auto kind = kind_of(row);
  if (!kind) return;
  Entries& all = entries_[static_cast<int>(*kind)];
  if (row.removed) {
    all.erase(row.name);
    return;
  }
  Entry& entry = all[row.name];
  entry = {.sealed = row.content};
  auto text = vault_.unseal(*kind, row.name, row.content);
  if (!text) return;
  auto stored = unpack(*text);
  wipe(*text);
  if (stored) entry.stored = std::move(*stored);
}

void SecretBook::publish() {
  SecretValues::Named readable[2];
  for (const SecretKind kind : {SecretKind::Secret, SecretKind::Credential})
    for (const auto& [name, entry] : entries(kind))
      if (entry.stored) readable[static_cast<int>(kind)].emplace(name, *entry.stored);
  values_ = std::make_shared<SecretValues>(std::move(readable[0]), std::move(readable[1]));
}

const SecretBook::Entry* SecretBook::find(SecretKind kind, std::string_view name) const {
  const auto found = entries(kind).find(name);
  return found == entries(kind).end() ? nullptr : &found->second;
}

Result<SecretBook::Changed> SecretBook::set(SecretKind kind, const std::string& name,
                                            const SecretChange& wanted, std::string_view who,
                                            Instant now) {
  const std::string_view what = to_string(kind);
  if (!valid_secret_name(name))
    return invalid("invalid_name",
                   fmt::format("\"{}\" is no name of a {}: letters, digits, - and _, at most 64",
                               clipped(name), what));
  const Entry* entry = find(kind, name);
  const bool known = entry != nullptr && entry->stored.has_value();
  if ((wanted.rotate || wanted.drop_old) && entry == nullptr)
    return fail(ErrorKind::NotFound, "unknown_secret",
                fmt::format("there is no {} \"{}\" whose value could be rotated", what, name));
  if (wanted.drop_old && (wanted.rotate || !wanted.value.empty() || wanted.hosts))
    return invalid("conflict", "dropping the old value goes alone: no new value, no rotation");
  if (wanted.rotate && wanted.value.empty())
    return invalid("no_value", "a rotation wants the new value");
  if (!known && wanted.value.empty())
    return invalid("no_value",
                   entry != nullptr
                       ? fmt::format("the {} \"{}\" cannot be read with the master key that is "
                                     "here, so it has no value that could stay; send one",
                                     what, name)
                       : fmt::format("there is no {} \"{}\" yet, so it wants a value", what, name));
  if (entry == nullptr && entries(kind).size() >= kSecretsMax)
    return fail(ErrorKind::Conflict, "too_many",
                fmt::format("there are {} already; remove one", kSecretsMax));

  StoredSecret stored = known ? *entry->stored : StoredSecret{};
  if (kind == SecretKind::Credential)
    if (Status done = take_scheme(stored, wanted, known); !done)
      return tl::make_unexpected(done.error());
  if (!wanted.value.empty())
    if (Status done = take_value(stored, wanted, known, now); !done)
      return tl::make_unexpected(done.error());
  // One that cannot be read may have had hosts, but nobody knows which.
  if (!known && !wanted.hosts)
    return invalid("no_hosts",
                   fmt::format("the {0} \"{1}\" is new, so say to which hosts it may be sent: "
                               "onward {0} set {1} --host crm.example.com (repeat --host for more; "
                               "--any-host allows every host); over HTTP: \"hosts\": "
                               "[\"crm.example.com\"] or \"any_host\": true",
                               what, name));
  if (wanted.drop_old) {
    wipe(stored.previous);
    stored.rotated.reset();
  }
  Changed changed{.created = entry == nullptr};
  const bool same_rest = known && stored == *entry->stored;
  if (wanted.hosts) stored.hosts = *wanted.hosts;
  const bool same_hosts = known && stored.hosts == entry->stored->hosts;
  if (same_rest && same_hosts) return changed;

  if (Status done = vault_.ensure_key(); !done) return tl::make_unexpected(done.error());
  std::string text = pack(stored);
  auto sealed = vault_.seal(kind, name, text);
  wipe(text);
  if (!sealed) return tl::make_unexpected(sealed.error());
  changed.change.rows.push_back(
      {.kind = row_kind(kind), .name = name, .content = std::move(*sealed)});
  const std::string_view done = wanted.rotate ? "rotated" : wanted.drop_old ? "old_dropped" : "set";
  const auto tell = [&](std::string_view event, std::string told) {
    changed.change.activity.push_back({.at = now,
                                       .what = fmt::format("{}.{}", what, event),
                                       .who = std::string{who},
                                       .text = std::move(told)});
  };
  if (!same_rest) tell(done, name);
  if (!same_hosts) tell("hosts_set", fmt::format("{}: {}", name, hosts_text(stored.hosts)));
  return changed;
}

Result<SecretBookChange> SecretBook::remove(SecretKind kind, std::string_view name,
                                            std::string_view who, Instant now) const {
  const std::string_view what = to_string(kind);
  if (find(kind, name) == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& [known, entry] : entries(kind)) names.push_back(known);
    return fail(
        ErrorKind::NotFound, fmt::format("unknown_{}", what),
        fmt::format("there is no {} \"{}\"{}", what, clipped(name),
                    did_you_mean(nearest_name(name, std::span<const std::string_view>{names}))));
  }
  return SecretBookChange{
      .rows = {{.kind = row_kind(kind), .name = std::string{name}, .removed = true}},
      .activity = {{.at = now,
                    .what = fmt::format("{}.removed", what),
                    .who = std::string{who},
                    .text = std::string{name}}}};
}

Result<SecretBookChange> SecretBook::rekey(std::string_view who, Instant now) {
  // The new key is in the file before anything is sealed under it, and the old one stays there
  // until nothing is: whatever moment the power fails at, the file opens every row.
  if (Status done = vault_.add_key(); !done) return tl::make_unexpected(done.error());
  auto change = resealed(/*all=*/true);
  if (change)
    change->activity.push_back(
        {.at = now, .what = "secret.rekeyed", .who = std::string{who}, .text = "new master key"});
  return change;
}

Result<SecretBookChange> SecretBook::reseal() {
  if (vault_.old_keys() == 0) return SecretBookChange{};
  if (Status done = vault_.ensure_key(); !done) return tl::make_unexpected(done.error());
  return resealed(/*all=*/false);
}

Result<SecretBookChange> SecretBook::resealed(bool all) const {
  SecretBookChange change;
  for (const SecretKind kind : {SecretKind::Secret, SecretKind::Credential})
    for (const auto& [name, entry] : entries(kind)) {
      if (!entry.stored || (!all && vault_.is_newest(entry.sealed))) continue;
      std::string text = pack(*entry.stored);
      auto sealed = vault_.seal(kind, name, text);
      wipe(text);
      if (!sealed) return tl::make_unexpected(sealed.error());
      change.rows.push_back({.kind = row_kind(kind), .name = name, .content = std::move(*sealed)});
    }
  return change;
}

Status SecretBook::drop_old_keys() { return vault_.drop_old_keys(); }

void SecretBook::adopt(const SecretBookChange& change) {
  for (const AdminRecord& row : change.rows) take(row);
  publish();
}

std::optional<SecretInfo> SecretBook::info(SecretKind kind, std::string_view name) const {
  const Entry* entry = find(kind, name);
  if (!entry) return std::nullopt;
  SecretInfo info{.name = std::string{name}, .readable = entry->stored.has_value()};
  if (!entry->stored) return info;
  info.set = entry->stored->set;
  info.rotated = entry->stored->rotated;
  info.scheme = entry->stored->scheme;
  info.login = entry->stored->login;
  info.hosts = entry->stored->hosts;
  return info;
}

std::vector<SecretInfo> SecretBook::list(SecretKind kind) const {
  std::vector<SecretInfo> infos;
  for (const auto& [name, entry] : entries(kind)) infos.push_back(*info(kind, name));
  return infos;
}

std::size_t SecretBook::unreadable() const {
  std::size_t count = 0;
  for (const Entries& all : entries_)
    count += static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const auto& row) { return !row.second.stored.has_value(); }));
  return count;
}

std::vector<std::string> SecretBook::without_hosts() const {
  std::vector<std::string> names;
  for (const SecretKind kind : {SecretKind::Secret, SecretKind::Credential})
    for (const auto& [name, entry] : entries(kind))
      if (entry.stored && entry.stored->hosts.rule == SecretHosts::Rule::Unset)
        names.push_back(fmt::format("{} {}", to_string(kind), name));
  return names;
}

AuthorContext SecretBook::context() const {
  AuthorContext context;
  // The hosts of one that cannot be read are not known; no attempt gets its value.
  constexpr SecretHosts::Rule kNotKnown = SecretHosts::Rule::Any;
  const auto names = [this](SecretKind kind) {
    SecretNames named;
    for (const auto& [name, entry] : entries(kind))
      named.emplace(name, entry.stored ? entry.stored->hosts : SecretHosts{kNotKnown});
    return named;
  };
  context.secrets = names(SecretKind::Secret);
  context.credentials = names(SecretKind::Credential);
  return context;
}
}  // namespace onward
