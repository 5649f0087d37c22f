#include "engine/store/sqlite/forget.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/store/codec.h"

namespace onward {
namespace {
/// Of a contact that is erased, errors go as well: a receiver says where it redirects to.
enum class Erases : std::uint8_t { Bodies, Errors };

/// Finds what deliveries sent and what they were answered.
class BodyEraser {
 public:
  BodyEraser(Erases erases, const Commit& commit, const Overlay& overlay, Tables& tables)
      : erases_{erases}, commit_{commit}, overlay_{overlay}, tables_{tables} {}

  void add_to(Erasure& erasure, const std::set<DeliveryKey>& keys) {
    if (keys.empty()) return;
    for (const Delivery& row : commit_.deliveries) deliveries_[row.key] = row;
    // The answer to a batch is with the delivery that carried it, and may repeat every member.
    std::set<DeliveryKey> answered = keys;
    for (const DeliveryKey key : keys)
      if (const auto delivery = newest(key); delivery && delivery->batch)
        answered.insert(*delivery->batch);
    for (const auto& [place, entry] : overlay_.attempts.map)
      if (answered.contains(place.first) && !entry.row.body.empty())
        attempts_[place.first][place.second] = intact(decode_attempt(entry.row.body));
    for (const AttemptRow& row : commit_.attempts)
      if (answered.contains(row.delivery))
        attempts_[row.delivery][row.attempt.number] = row.attempt;
    for (const DeliveryKey key : answered) {
      if (keys.contains(key)) erasure.requests.push_back(key);
      add_answers(key, keys.contains(key) ? erases_ : Erases::Bodies, erasure);
    }
  }

 private:
  std::optional<Delivery> newest(DeliveryKey key) const {
    if (const auto row = deliveries_.find(key); row != deliveries_.end()) return row->second;
    if (const auto* row = overlay_.deliveries.find(key))
      return intact(decode_delivery(key, row->body));
    return tables_.delivery(key);
  }

  /// Whether there was something to clear.
  static bool clear(Attempt& attempt, Erases erases) {
    const bool error = erases == Erases::Errors && !attempt.error.empty();
    if (error) attempt.error.clear();
    if (attempt.response.empty()) return error;
    attempt.response.clear();
    return true;
  }

  void add_answers(DeliveryKey key, Erases erases, Erasure& erasure) {
    auto delivery = newest(key);
    if (delivery && delivery->last && clear(*delivery->last, erases))
      erasure.deliveries.push_back(std::move(*delivery));
    // Those of the tables only where nothing newer is known.
    std::map<std::uint32_t, Attempt>& attempts = attempts_[key];
    std::vector<std::uint32_t> unread;
    for (Attempt& attempt : tables_.attempts(key, &unread))
      if (overlay_.attempts.find({key, attempt.number}) == nullptr)
        attempts.try_emplace(attempt.number, std::move(attempt));
    // What cannot be read cannot be cleared.
    for (const std::uint32_t number : unread)
      if (!attempts.contains(number)) erasure.attempts_gone.emplace_back(key, number);
    for (auto& [number, attempt] : attempts) {
      if (!clear(attempt, erases)) continue;
      erasure.attempts.push_back({.delivery = key, .attempt = std::move(attempt)});
    }
  }

  const Erases erases_;
  const Commit& commit_;
  const Overlay& overlay_;
  Tables& tables_;
  std::map<DeliveryKey, std::map<std::uint32_t, Attempt>> attempts_;  // of overlay and commit
  std::map<DeliveryKey, Delivery> deliveries_;                        // of the commit
};

/// Names every attempt but the last of these: what the tables hold, the overlay and the commit.
void add_attempts(Erasure& erasure, const Commit& commit, const Overlay& overlay, Tables& tables) {
  const std::set<DeliveryKey> keys{commit.purged_attempts.begin(), commit.purged_attempts.end()};
  if (keys.empty()) return;
  std::set<std::pair<DeliveryKey, std::uint32_t>> gone;
  for (const DeliveryKey key : keys)
    for (const Attempt& attempt : tables.attempts(key)) gone.emplace(key, attempt.number);
  for (const auto& [place, entry] : overlay.attempts.map)
    if (keys.contains(place.first)) gone.insert(place);
  for (const AttemptRow& row : commit.attempts)
    if (keys.contains(row.delivery)) gone.emplace(row.delivery, row.attempt.number);
  erasure.attempts_gone.insert(erasure.attempts_gone.end(), gone.begin(), gone.end());
}

/// Enough to tell whether a contact is among those of an address.
constexpr std::size_t kHoldersAsked = 1'000;

/// Finds what one contact has left. Later finders overwrite earlier ones: the tables, then the
/// overlay, then the commit, so that the newest state is what gets blanked.
class Finder {
 public:
  Finder(ContactKey contact, const Commit& commit, const Overlay& overlay, Tables& tables)
      : contact_{contact}, commit_{commit}, overlay_{overlay}, tables_{tables} {}

  void add_to(Erasure& erasure) {
    find_identities(erasure);
    find_ledger(erasure);
    find_runs();
    for (auto& [key, run] : runs_) {
      blank(run);
      erasure.runs.push_back(std::move(run));
    }
    find_deliveries();
    BodyEraser{Erases::Errors, commit_, overlay_, tables_}.add_to(erasure, deliveries_);
  }

 private:
  /// Throws where a row that leads to the contact is damaged: it would stay.
  void check_names(const Contact& contact) const {
    const auto fail = [&](const char* what) {
      throw_unreadable(what + (" of contact " + std::to_string(contact_.value)));
    };
    if (contact.id && overlay_.ids.find(contact.id->text) == nullptr) {
      const auto holder = tables_.holder_of_id(contact.id->text);
      if (holder && *holder != contact_) fail("the id");
    }
    const std::string email = contact.email();
    if (email.empty() || overlay_.emails.find(email) != nullptr) return;
    const std::vector<ContactKey> holders = tables_.holders_of_email(email, kHoldersAsked);
    if (!holders.empty() && holders.size() < kHoldersAsked &&
        std::ranges::find(holders, contact_) == holders.end())
      fail("the address");
  }
  void find_identities(Erasure& erasure) const {
    const auto remove = [&](IdentityChange::Kind kind, const std::string& value) {
      erasure.identities.push_back(
          {.kind = kind, .value = value, .contact = contact_, .removed = true});
    };
    const auto remove_both = [&](const Contact& contact) {
      if (contact.id) remove(IdentityChange::Kind::Id, contact.id->text);
      if (const std::string email = contact.email(); !email.empty())
        remove(IdentityChange::Kind::Email, email);
    };
    if (const auto stored = tables_.contact(contact_, nullptr)) {
      check_names(*stored);
      remove_both(*stored);
    }
    for (const auto& [id, entry] : overlay_.ids.map)
      if (entry.row.holder == contact_) remove(IdentityChange::Kind::Id, id);
    for (const auto& [email, entry] : overlay_.emails.map)
      if (entry.row.holders.contains(contact_)) remove(IdentityChange::Kind::Email, email);
    for (const IdentityChange& change : commit_.identities)
      if (change.contact == contact_ && !change.removed) remove(change.kind, change.value);
  }

  void find_ledger(Erasure& erasure) const {
    std::set<LedgerKey> keys;
    for (LedgerKey& key : tables_.ledger_of(contact_)) keys.insert(std::move(key));
    for (const auto& [key, entry] : overlay_.ledger.map)
      if (key.contact == contact_) keys.insert(key);
    for (const LedgerEntry& entry : commit_.ledger)
      if (entry.contact == contact_)
        keys.insert({contact_, entry.row.scenario, entry.row.key, entry.row.test});
    erasure.ledger.insert(erasure.ledger.end(), keys.begin(), keys.end());
  }

  void take(const Run& run) {
    // Its path is the index from a contact to its settled deliveries.
    for (const PathStep& step : run.path)
      if (step.delivery) deliveries_.insert(*step.delivery);
    runs_[run.key] = run;
  }

  void find_runs() {
    for (const Run& run : tables_.live_runs(contact_)) take(run);
    std::vector<RunKey> unread;
    for (const Run& run : tables_.ended_runs(contact_, &unread)) take(run);
    // Only its path says which requests were the contact's: they would keep what they hold.
    if (!unread.empty())
      throw_unreadable("an ended run of contact " + std::to_string(contact_.value));
    if (const auto owned = overlay_.runs.of_contact.find(contact_);
        owned != overlay_.runs.of_contact.end())
      for (const RunKey key : owned->second) {
        const Overlay::RunRow* row = overlay_.runs.find(key);
        if (row->body.empty())
          runs_.erase(key);
        else
          take(intact(decode_run(key, contact_, row->body)));
      }
    for (const Run& run : commit_.runs)
      if (run.contact == contact_) take(run);
    for (const Commit::PurgedRun& purged : commit_.purged_runs) runs_.erase(purged.run);
  }

  void find_deliveries() {
    for (const DeliveryKey key : tables_.pending_of(contact_)) deliveries_.insert(key);
    // Settled ones are found by the paths of their runs.
    for (auto place = overlay_.deliveries.pending_of.lower_bound({contact_, DeliveryKey{}});
         place != overlay_.deliveries.pending_of.end() && place->first == contact_; ++place)
      deliveries_.insert(place->second);
    for (const Delivery& delivery : commit_.deliveries)
      if (delivery.contact == contact_) deliveries_.insert(delivery.key);
  }

  ContactKey contact_;
  const Commit& commit_;
  const Overlay& overlay_;
  Tables& tables_;
  std::map<RunKey, Run> runs_;
  std::set<DeliveryKey> deliveries_;
};
}  // namespace

Erasure erasure_of(const Commit& commit, const Overlay& overlay, Tables& tables) {
  Erasure erasure;
  for (const ContactKey contact : commit.forgotten)
    Finder{contact, commit, overlay, tables}.add_to(erasure);
  BodyEraser{Erases::Bodies, commit, overlay, tables}.add_to(
      erasure, {commit.purged_deliveries.begin(), commit.purged_deliveries.end()});
  add_attempts(erasure, commit, overlay, tables);
  return erasure;
}
}  // namespace onward
