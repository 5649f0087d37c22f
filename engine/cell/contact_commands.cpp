#include "engine/cell/contact_commands.h"

#include <utility>

#include <fmt/format.h>

#include "engine/cell/small_jobs.h"
#include "engine/store/unreadable.h"

namespace onward {
Result<std::optional<ContactKey>> ContactCommands::find_contact(const ContactName& name) const {
  const IdentityQuery query{.id = name.id, .email = name.email};
  const auto matches = cell_.store->identify({&query, 1});
  if (!matches) return tl::make_unexpected(matches.error());
  const IdentityMatch& match = matches->front();
  std::optional<ContactKey> found = match.by_id;
  if (name.id.empty() && !match.by_email.empty()) found = match.by_email.front().contact;
  if (!found) return found;
  const LoadQuery whole{.contact = *found};
  const auto states = cell_.store->load({&whole, 1});
  if (!states) return tl::make_unexpected(states.error());
  const auto& state = states->front();
  if (state && goes_by(state->contact, name.id, name.email)) return found;
  return tl::make_unexpected(damaged_name_error());
}

Result<ContactAnswer> ContactCommands::contact(const ContactName& name) const {
  const auto key = find_contact(name);
  if (!key) return tl::make_unexpected(key.error());
  if (*key) {
    const LoadQuery query{.contact = **key};
    auto states = cell_.store->load({&query, 1});
    if (!states) return tl::make_unexpected(states.error());
    if (auto& state = states->front())
      return ContactAnswer{.contact = std::move(state->contact),
                           .engagement = std::move(state->engagement)};
  }
  return fail(
      ErrorKind::NotFound, "unknown_contact",
      fmt::format("there is no contact {}", name.id.empty() ? "with the address " + name.email
                                                            : "with the id \"" + name.id + "\""));
}

void ContactCommands::rehearse(std::vector<Input> inputs,
                               Done<Result<std::vector<WorkAnswer>>> done, LoadShare admission) {
  jobs_.add(dry_run_job(cell_, {.number = ++last_rehearsal_,
                                .inputs = std::move(inputs),
                                .done = std::move(done),
                                .admission = std::move(admission)}));
}
}  // namespace onward
