// What the engine does about secrets and credentials, and the test button of a node that sends.
#include <fmt/format.h>

#include <algorithm>

#include "engine/runtime/engine.h"
#include "engine/runtime/webhook_test.h"

namespace onward {
namespace {
/// Nodes that a refusal names.
constexpr std::size_t kRefusalsShown = 5;
}  // namespace

Status Engine::commit_secrets(const SecretBookChange& change) {
  if (change.empty()) return {};
  Commit commit{.at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_};
  commit.admin = change.rows;
  commit.activity = change.activity;
  if (Status done = commit_rows(commit); !done) return done;
  secrets_.adopt(change);
  book_.know(author_context());
  ++generation_;
  return {};
}

SecretInfo Engine::with_users(SecretKind kind, SecretInfo info) const {
  std::set<std::string> sent, refused;
  for (ScenarioBook::User& user : book_.users_of(kind, info.name, counters_)) {
    for (const std::string& origin : user.origins) {
      sent.insert(host_of_origin(origin));
      if (!info.hosts.permits(origin)) refused.insert(host_of_origin(origin));
    }
    info.used_by.push_back(std::move(user.id));
  }
  info.sent_to.assign(sent.begin(), sent.end());
  info.refused_hosts.assign(refused.begin(), refused.end());
  return info;
}

std::vector<SecretInfo> Engine::list_secrets(SecretKind kind) const {
  std::vector<SecretInfo> infos = secrets_.list(kind);
  for (SecretInfo& info : infos) info = with_users(kind, std::move(info));
  return infos;
}

Result<SecretAnswer> Engine::set_secret(SecretKind kind, const std::string& name,
                                        const SecretChange& wanted, std::string_view who) {
  auto changed = secrets_.set(kind, name, wanted, who, clock_.now());
  if (!changed) return tl::make_unexpected(std::move(changed.error()));
  if (Status done = commit_secrets(changed->change); !done)
    return tl::make_unexpected(done.error());
  for (const Activity& activity : changed->change.activity)
    log({activity.what, {{"name", name}, {"by", who}}});
  return SecretAnswer{.info = with_users(kind, *secrets_.info(kind, name)),
                      .created = changed->created,
                      .changed = !changed->change.empty()};
}

Result<SecretAnswer> Engine::remove_secret(SecretKind kind, const std::string& name, bool force,
                                           std::string_view who) {
  auto change = secrets_.remove(kind, name, who, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  SecretAnswer answer{.info = with_users(kind, *secrets_.info(kind, name)), .changed = true};
  std::vector<std::string> live;
  for (const ScenarioBook::User& user : book_.users_of(kind, name, counters_))
    if (user.live) live.push_back(user.id);
  if (!force && !live.empty())
    return fail(
        ErrorKind::Conflict, fmt::format("{}_in_use", to_string(kind)),
        fmt::format("the {} \"{}\" is in use by {}; without it their deliveries wait until "
                    "it is set again. Apply files that do without it, or remove it by force",
                    to_string(kind), name, fmt::join(live, ", ")));
  if (Status done = commit_secrets(*change); !done) return tl::make_unexpected(done.error());
  log({change->activity.front().what, {{"name", name}, {"by", who}}});
  return answer;
}

Result<RekeyAnswer> Engine::rekey(std::string_view who) {
  auto change = secrets_.rekey(who, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  if (Status done = commit_secrets(*change); !done) return tl::make_unexpected(done.error());
  log({"secret.rekeyed", {{"sealed", count_value(change->rows.size())}, {"by", who}}});
  RekeyAnswer answer{.sealed = change->rows.size(), .unreadable = secrets_.unreadable()};
  if (answer.unreadable > 0) return answer;
  if (Status done = drop_old_keys(); !done) return tl::make_unexpected(done.error());
  return answer;
}

/// Not before what the new key sealed is on the disk.
Status Engine::drop_old_keys() {
  Status done = store_->sync();
  return done ? secrets_.drop_old_keys() : done;
}

/// A change of keys that was cut off, or begun by hand with a new line in the key file, is brought
/// to its end. Without room on the disk it waits for the next start: the file opens everything.
Status Engine::finish_rekey() {
  if (const std::size_t lost = secrets_.unreadable(); lost > 0)
    log({"secrets.unreadable",
         {{"count", count_value(lost)},
          {"hint",
           "their master key is not here: put the key file back, or set them anew; until then "
           "their deliveries wait"}},
         LogLevel::Warning});
  if (const std::size_t count = secrets_.without_hosts().size(); count > 0)
    log({"secrets.without_hosts",
         {{"count", count_value(count)},
          {"hint",
           "secrets or credentials that scenarios can send to any host; see `onward secret list` "
           "and `onward credential list`, and set their hosts with --keep --host HOST"}},
         LogLevel::Warning});
  if (secrets_.old_keys() == 0) return {};
  const auto change = secrets_.reseal();
  if (!change) return tl::make_unexpected(change.error());
  if (Status done = commit_secrets(*change); !done)
    return done.error().kind == ErrorKind::Unavailable ? Status{} : done;
  if (secrets_.unreadable() > 0) return {};
  if (const Status done = drop_old_keys(); !done)
    log({"secrets.old_key_stays",
         {{"reason", done.error().message},
          {"hint", "take all lines but the first out of the key file"}},
         LogLevel::Warning});
  return {};
}

Status Engine::check_secrets_of(const std::string& id) const {
  if (options_.any_secret) return {};
  const std::vector<std::string> unknown = book_.unknown_secrets(id);
  if (!unknown.empty())
    return fail(
        ErrorKind::Conflict, "unknown_secret",
        fmt::format("scenario \"{}\" needs what the server does not have any more: {}. Set it, "
                    "or apply a file that does without",
                    id, fmt::join(unknown, ", ")));
  std::vector<std::string> refused = book_.refused_hosts(id);
  if (refused.empty()) return {};
  if (refused.size() > kRefusalsShown) refused.resize(kRefusalsShown);
  return fail(ErrorKind::Conflict, std::string{kSecretHostRefused},
              fmt::format("scenario \"{}\": {}. Apply a file with another URL, or ask an admin to "
                          "allow the host: onward secret set NAME --keep --host HOST",
                          id, fmt::join(refused, "; ")));
}

Result<DeliveryTask> Engine::webhook_test(const std::string& scenario, const std::string& node,
                                          std::shared_ptr<const Scenario> newest) const {
  const auto info = book_.info(scenario);
  if (!info) return tl::make_unexpected(info.error());
  if (newest == nullptr) newest = book_.newest(scenario);
  if (const auto name = reads_elsewhere_ ? std::nullopt : book_.unread(scenario))
    newest = book_.load(*name);
  if (!newest)
    return fail(ErrorKind::Conflict, "not_valid_any_more",
                fmt::format("the newest version of scenario \"{}\" cannot be read by this version "
                            "of Onward; apply it again",
                            scenario));
  auto id = new_test_id();
  if (!id) return tl::make_unexpected(id.error());
  return make_webhook_test(*newest, node, std::move(*id), options_.account_id, clock_.now());
}
}  // namespace onward
