#include "engine/cell/secret_commands.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/webhook_test.h"
#include "engine/control/secret_users.h"

namespace onward {
AuthorContext author_context(const CellContext& cell) {
  AuthorContext context = cell.control.secrets.context();
  context.refuses_origin = cell.options.refuses_origin;
  return context;
}

Status SecretCommands::commit(const SecretBookChange& change) {
  if (change.empty()) return {};
  return control_.commit(Change{{.admin = change.rows, .activity = change.activity},
                                [change, &cell = cell_](ControlState& state, ControlChange&) {
                                  state.secrets.adopt(change);
                                  state.scenarios.reader().know(author_context(cell));
                                  ++state.generation;
                                }});
}

SecretInfo SecretCommands::with_users(SecretKind kind, SecretInfo info) const {
  std::set<std::string> sent, refused;
  for (SecretUser& user : users_of(cell_.control.scenarios, kind, info.name, cell_.counters)) {
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

std::vector<SecretInfo> SecretCommands::list(SecretKind kind) const {
  std::vector<SecretInfo> infos = cell_.control.secrets.list(kind);
  for (SecretInfo& info : infos) info = with_users(kind, std::move(info));
  return infos;
}

Result<SecretAnswer> SecretCommands::set(SecretKind kind, const std::string& name,
                                         const SecretChange& wanted, std::string_view who) {
  auto changed = cell_.control.secrets.set(kind, name, wanted, who, cell_.now());
  if (!changed) return tl::make_unexpected(std::move(changed.error()));
  if (Status done = commit(changed->change); !done) return tl::make_unexpected(done.error());
  for (const Activity& activity : changed->change.activity)
    cell_.log({activity.what, {{"name", name}, {"by", who}}});
  return SecretAnswer{.info = with_users(kind, *cell_.control.secrets.info(kind, name)),
                      .created = changed->created,
                      .changed = !changed->change.empty()};
}

Result<SecretAnswer> SecretCommands::remove(SecretKind kind, const std::string& name, bool force,
                                            std::string_view who) {
  auto change = cell_.control.secrets.remove(kind, name, who, cell_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  SecretAnswer answer{.info = with_users(kind, *cell_.control.secrets.info(kind, name)),
                      .changed = true};
  std::vector<std::string> live;
  for (const SecretUser& user : users_of(cell_.control.scenarios, kind, name, cell_.counters))
    if (user.live) live.push_back(user.id);
  if (!force && !live.empty())
    return fail(
        ErrorKind::Conflict, fmt::format("{}_in_use", to_string(kind)),
        fmt::format("the {} \"{}\" is in use by {}; without it their deliveries wait until "
                    "it is set again. Apply files that do without it, or remove it by force",
                    to_string(kind), name, fmt::join(live, ", ")));
  if (Status done = commit(*change); !done) return tl::make_unexpected(done.error());
  cell_.log({change->activity.front().what, {{"name", name}, {"by", who}}});
  return answer;
}

Result<RekeyAnswer> SecretCommands::rekey(std::string_view who) {
  auto change = cell_.control.secrets.rekey(who, cell_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  if (Status done = commit(*change); !done) return tl::make_unexpected(done.error());
  cell_.log({"secret.rekeyed", {{"sealed", count_value(change->rows.size())}, {"by", who}}});
  RekeyAnswer answer{.sealed = change->rows.size(),
                     .unreadable = cell_.control.secrets.unreadable()};
  if (answer.unreadable > 0) return answer;
  if (Status done = drop_old_keys(); !done) return tl::make_unexpected(done.error());
  return answer;
}

/// Not before what the new key sealed is on the disk.
Status SecretCommands::drop_old_keys() {
  Status done = cell_.store->sync();
  return done ? cell_.control.secrets.drop_old_keys() : done;
}

/// A change of keys that was cut off, or begun by hand with a new line in the key file, is brought
/// to its end. Without room on the disk it waits for the next start: the file opens everything.
Status SecretCommands::finish_rekey() {
  if (const std::size_t lost = cell_.control.secrets.unreadable(); lost > 0)
    cell_.log(
        {"secrets.unreadable",
         {{"count", count_value(lost)},
          {"hint",
           "their master key is not here: put the key file back, or set them anew; until then "
           "their deliveries wait"}},
         LogLevel::Warning});
  if (const std::size_t count = cell_.control.secrets.without_hosts().size(); count > 0)
    cell_.log(
        {"secrets.without_hosts",
         {{"count", count_value(count)},
          {"hint",
           "secrets or credentials that scenarios can send to any host; see `onward secret list` "
           "and `onward credential list`, and set their hosts with --keep --host HOST"}},
         LogLevel::Warning});
  if (cell_.control.secrets.old_keys() == 0) return {};
  const auto change = cell_.control.secrets.reseal();
  if (!change) return tl::make_unexpected(change.error());
  if (Status done = commit(*change); !done)
    return done.error().kind == ErrorKind::Unavailable ? Status{} : done;
  if (cell_.control.secrets.unreadable() > 0) return {};
  if (const Status done = drop_old_keys(); !done)
    cell_.log({"secrets.old_key_stays",
               {{"reason", done.error().message},
                {"hint", "take all lines but the first out of the key file"}},
               LogLevel::Warning});
  return {};
}

Result<DeliveryTask> SecretCommands::webhook_test(const std::string& scenario,
                                                  const std::string& node,
                                                  std::shared_ptr<const Scenario> newest) const {
  const auto info = cell_.control.scenarios.info(scenario);
  if (!info) return tl::make_unexpected(info.error());
  if (newest == nullptr) newest = cell_.control.scenarios.newest(scenario);
  if (const auto name =
          builder_.reads_elsewhere() ? std::nullopt : cell_.control.scenarios.unread(scenario))
    newest = cell_.control.scenarios.load(*name);
  if (!newest)
    return fail(ErrorKind::Conflict, "not_valid_any_more",
                fmt::format("the newest version of scenario \"{}\" cannot be read by this version "
                            "of Onward; apply it again",
                            scenario));
  auto id = new_test_id();
  if (!id) return tl::make_unexpected(id.error());
  return make_webhook_test(*newest, node, std::move(*id), cell_.options.account_id, cell_.now());
}
}  // namespace onward
