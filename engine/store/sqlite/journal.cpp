#include "engine/store/sqlite/journal.h"

#include "engine/store/codec.h"

namespace onward {
namespace {
/// Writes sections. Bodies are made in a scratch text, since their length stands before them.
class Writer {
 public:
  explicit Writer(std::string& out) : out_{out} {}

  void begin(Section section, std::size_t rows) {
    out_.byte(static_cast<std::uint8_t>(section));
    out_.number(rows);
  }
  template <class Row>
  void body(const Row& row) {
    scratch_.clear();
    Encoder scratch{scratch_};
    encode(scratch, row);
    out_.text(scratch_);
  }
  void no_body() { out_.text({}); }
  Encoder& out() { return out_; }

 private:
  Encoder out_;
  std::string scratch_;
};

void put_key(Encoder& out, const LedgerKey& key) {
  out.number(key.contact.value);
  out.number(key.scenario.value);
  out.byte(key.test ? 1 : 0);
  out.text(key.key);
}

void put_ledger(Writer& writer, const Commit& commit, const Erasure& erasure) {
  if (commit.ledger.empty() && erasure.ledger.empty()) return;
  writer.begin(Section::Ledger, commit.ledger.size() + erasure.ledger.size());
  for (const LedgerEntry& entry : commit.ledger) {
    const LedgerRow& row = entry.row;
    put_key(writer.out(), {entry.contact, row.scenario, row.key, row.test});
    writer.body(row);
  }
  for (const LedgerKey& key : erasure.ledger) {
    put_key(writer.out(), key);
    writer.no_body();
  }
}

void put_contacts(Writer& writer, const Commit& commit) {
  const std::size_t forgotten = commit.forgotten.size();
  if (const std::size_t rows = commit.contacts.size() + forgotten) {
    writer.begin(Section::Contacts, rows);
    for (const Contact& contact : commit.contacts) {
      writer.out().number(contact.key.value);
      writer.body(contact);
    }
    for (const ContactKey key : commit.forgotten) {
      writer.out().number(key.value);
      writer.no_body();
    }
  }
  if (const std::size_t rows = commit.engagements.size() + forgotten) {
    writer.begin(Section::Engagements, rows);
    for (const EngagementRow& row : commit.engagements) {
      writer.out().number(row.contact.value);
      writer.body(row.engagement);
    }
    for (const ContactKey key : commit.forgotten) {
      writer.out().number(key.value);
      writer.no_body();
    }
  }
}

void put_run(Writer& writer, const Run& run) {
  writer.out().number(run.key.value);
  writer.out().number(run.contact.value);
  writer.out().byte(run.live() ? 1 : 0);
  writer.body(run);
}

void put_delivery(Writer& writer, const Delivery& delivery) {
  const DeliveryColumns columns = columns_of(delivery);
  Encoder& out = writer.out();
  out.number(delivery.key.value);
  out.number(columns.endpoint.scenario.value);
  out.number(columns.endpoint.node.value);
  out.number(columns.endpoint.version);
  out.byte(static_cast<std::uint8_t>(columns.state));
  out.number(columns.contact.value);
  out.byte(columns.due ? 1 : 0);
  if (columns.due) out.instant(*columns.due);
  writer.body(delivery);
}

void put_runs(Writer& writer, const Commit& commit, const Erasure& erasure) {
  if (const std::size_t rows =
          commit.runs.size() + erasure.runs.size() + commit.purged_runs.size()) {
    writer.begin(Section::Runs, rows);
    for (const Run& run : commit.runs) put_run(writer, run);
    for (const Commit::PurgedRun& purged : commit.purged_runs) {
      writer.out().number(purged.run.value);
      writer.out().number(purged.contact.value);
      writer.out().byte(0);
      writer.no_body();
    }
    for (const Run& run : erasure.runs) put_run(writer, run);
  }
}

void put_deliveries(Writer& writer, const Commit& commit, const Erasure& erasure) {
  if (const std::size_t rows = commit.deliveries.size() + erasure.deliveries.size()) {
    writer.begin(Section::Deliveries, rows);
    for (const Delivery& delivery : commit.deliveries) put_delivery(writer, delivery);
    for (const Delivery& delivery : erasure.deliveries) put_delivery(writer, delivery);
  }
  if (const std::size_t rows = commit.requests.size() + erasure.requests.size()) {
    writer.begin(Section::Requests, rows);
    for (const RequestRow& row : commit.requests) {
      writer.out().number(row.delivery.value);
      if (row.request)
        writer.body(*row.request);
      else
        writer.no_body();
    }
    for (const DeliveryKey key : erasure.requests) {
      writer.out().number(key.value);
      writer.no_body();
    }
  }
  if (const std::size_t rows =
          commit.attempts.size() + erasure.attempts.size() + erasure.attempts_gone.size()) {
    writer.begin(Section::Attempts, rows);
    for (const auto* attempts : {&commit.attempts, &erasure.attempts}) {
      for (const AttemptRow& row : *attempts) {
        writer.out().number(row.delivery.value);
        writer.out().number(row.attempt.number);
        writer.body(row.attempt);
      }
    }
    for (const auto& [delivery, number] : erasure.attempts_gone) {
      writer.out().number(delivery.value);
      writer.out().number(number);
      writer.no_body();
    }
  }
}

void put_timers(Writer& writer, Section section, const std::vector<Timer>& timers) {
  if (timers.empty()) return;
  writer.begin(section, timers.size());
  for (const Timer& timer : timers) {
    writer.out().instant(timer.at);
    writer.out().number(timer.contact.value);
    writer.out().byte(static_cast<std::uint8_t>(timer.key.kind));
    writer.out().number(timer.key.subject);
  }
}

void put_hash(Encoder& out, const Hash128& hash) {
  for (const std::uint64_t half : {hash.high, hash.low})
    for (int shift = 0; shift < 64; shift += 8) out.byte(static_cast<std::uint8_t>(half >> shift));
}

void put_identity(Encoder& out, const IdentityChange& change) {
  out.byte(static_cast<std::uint8_t>(change.kind));
  out.byte(change.removed ? 1 : 0);
  out.number(change.contact.value);
  out.text(change.value);
}

void put_rest(Writer& writer, const Commit& commit, const Erasure& erasure) {
  if (!commit.seen.empty()) {
    writer.begin(Section::Seen, commit.seen.size());
    for (const SeenEvent& event : commit.seen) {
      put_hash(writer.out(), event.key);
      put_hash(writer.out(), event.fingerprint);
      writer.out().signed_number(date_of(event.at).time_since_epoch().count());
    }
  }
  if (const std::size_t rows = commit.identities.size() + erasure.identities.size()) {
    writer.begin(Section::Identities, rows);
    for (const IdentityChange& change : commit.identities) put_identity(writer.out(), change);
    for (const IdentityChange& change : erasure.identities) put_identity(writer.out(), change);
  }
  if (!commit.counters.empty()) {
    writer.begin(Section::Counters, commit.counters.size());
    for (const auto& [key, row] : commit.counters) {
      writer.out().number(key.scenario.value);
      writer.out().number(key.node.value);
      writer.out().number(key.version);
      writer.out().byte(key.test ? 1 : 0);
      writer.body(row);
    }
  }
}
}  // namespace

void blank(Run& run) {
  run.path.clear();
  run.event = nullptr;
  run.entry_key.clear();
}

std::string encode_journal(const Commit& commit, const Erasure& erasure) {
  std::string bytes;
  Encoder head{bytes};
  head.byte(kJournalFormat);
  head.number(commit.last_seq);
  head.number(commit.last_contact.value);
  Writer writer{bytes};
  put_contacts(writer, commit);
  put_ledger(writer, commit, erasure);
  put_runs(writer, commit, erasure);
  put_deliveries(writer, commit, erasure);
  // Cleared first: where a commit names one timer in both, it stands. A timer too many is found
  // out when it fires, one too few never.
  put_timers(writer, Section::TimersCleared, commit.timers_cleared);
  put_timers(writer, Section::TimersSet, commit.timers_set);
  put_rest(writer, commit, erasure);
  writer.out().byte(static_cast<std::uint8_t>(Section::End));
  return bytes;
}
}  // namespace onward
