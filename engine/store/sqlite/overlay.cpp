#include "engine/store/sqlite/overlay.h"

#include <algorithm>

#include "engine/store/codec.h"
#include "engine/store/sqlite/journal.h"

namespace onward {
namespace {
Hash128 get_hash(Decoder& in) {
  const std::string_view bytes = in.raw(16);
  if (!in.ok()) return {};
  const auto half = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    return value;
  };
  return {.high = half(0), .low = half(8)};
}

Timer get_timer(Decoder& in) {
  Timer timer{.at = in.instant(), .contact = {in.number()}};
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(TimerKind::RunRecheck)) in.fail();
  timer.key = {.kind = static_cast<TimerKind>(kind), .subject = in.number()};
  return timer;
}

IdentityChange get_identity(Decoder& in) {
  IdentityChange change;
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(IdentityChange::Kind::Email)) in.fail();
  change.kind = static_cast<IdentityChange::Kind>(kind);
  change.removed = in.flag();
  change.contact.value = in.number();
  change.value = in.string();
  return change;
}

DeliveryColumns get_columns(Decoder& in) {
  DeliveryColumns columns;
  columns.endpoint.scenario.value = in.small_number();
  columns.endpoint.node.value = in.small_number();
  columns.endpoint.version = in.small_number();
  const std::uint8_t state = in.byte();
  if (state > static_cast<std::uint8_t>(DeliveryState::Cancelled)) in.fail();
  columns.state = static_cast<DeliveryState>(state);
  columns.contact.value = in.number();
  if (in.flag()) columns.due = in.instant();
  return columns;
}

Date get_day(Decoder& in) {
  const std::int64_t days = in.signed_number();
  if (days != static_cast<std::int32_t>(days)) in.fail();
  return Date{std::chrono::days{static_cast<std::int32_t>(days)}};
}

void take_contact(Decoder& in, Overlay& overlay, bool engagement) {
  const ContactKey key{in.number()};
  if (engagement)
    overlay.engagements.touch(key, overlay.context).row = {in.text()};
  else
    overlay.contacts.put(key, in.text(), overlay.context);
  overlay.last_contact = std::max(overlay.last_contact, key);
}

void take_ledger(Decoder& in, Overlay& overlay) {
  LedgerKey key{.contact = {in.number()}, .scenario = {in.small_number()}};
  key.test = in.flag();
  key.key = in.string();
  overlay.ledger.put(key, in.text(), overlay.context);
}

void take_run(Decoder& in, Overlay& overlay) {
  const RunKey key{in.number()};
  Overlay::RunRow row{.contact = {in.number()}};
  row.live = in.flag();
  row.body = in.text();
  overlay.runs.put(key, row, overlay.context);
}

void take_delivery(Decoder& in, Overlay& overlay) {
  const DeliveryKey key{in.number()};
  Overlay::DeliveryRow row{.columns = get_columns(in)};
  row.body = in.text();
  overlay.deliveries.put(key, row, overlay.context);
}

void take_attempt(Decoder& in, Overlay& overlay) {
  const DeliveryKey key{in.number()};
  const std::uint32_t number = in.small_number();
  overlay.attempts.touch({key, number}, overlay.context).row = {in.text()};
}

void take_seen(Decoder& in, Overlay& overlay) {
  const Hash128 key = get_hash(in);
  const Hash128 fingerprint = get_hash(in);
  const Date day = get_day(in);
  if (overlay.context.lists_only) return;
  overlay.seen.touch(key, overlay.context).row = {.fingerprint = fingerprint, .day = day};
}

void take_identity(Decoder& in, Overlay& overlay) {
  const IdentityChange change = get_identity(in);
  if (change.kind == IdentityChange::Kind::Id)
    overlay.ids.put(change, overlay.context);
  else
    overlay.emails.put(change, overlay.context);
}

void take_counter(Decoder& in, Overlay& overlay) {
  CounterKey key{.scenario = {in.small_number()}, .node = {in.small_number()}};
  key.version = in.small_number();
  key.test = in.flag();
  const std::string_view body = in.text();
  if (!overlay.context.lists_only) overlay.counters.touch(key, overlay.context).row = {body};
}
}  // namespace

bool Overlay::apply(std::string_view journal_row) {
  Decoder in{journal_row};
  if (in.byte() != kJournalFormat) return false;
  last_seq = std::max(last_seq, in.number());
  last_contact.value = std::max(last_contact.value, in.number());
  for (;;) {
    const std::uint8_t section = in.byte();
    if (section == static_cast<std::uint8_t>(Section::End)) return in.ok() && in.at_end();
    if (section > static_cast<std::uint8_t>(Section::Counters)) return false;
    if (!apply(static_cast<Section>(section), in)) return false;
  }
}

bool Overlay::apply(Section section, Decoder& in) {
  for (std::size_t rows = in.count(); rows > 0 && in.ok(); --rows) {
    switch (section) {
      case Section::End:
        return false;
      case Section::Contacts:
      case Section::Engagements:
        take_contact(in, *this, section == Section::Engagements);
        break;
      case Section::Ledger:
        take_ledger(in, *this);
        break;
      case Section::Runs:
        take_run(in, *this);
        break;
      case Section::Deliveries:
        take_delivery(in, *this);
        break;
      case Section::Requests: {
        const DeliveryKey key{in.number()};
        requests.put(key, in.text(), context);
        break;
      }
      case Section::Attempts:
        take_attempt(in, *this);
        break;
      case Section::TimersCleared:
      case Section::TimersSet: {
        const Timer timer = get_timer(in);
        if (!context.lists_only) timers.put(timer, section == Section::TimersSet, context);
        break;
      }
      case Section::Seen:
        take_seen(in, *this);
        break;
      case Section::Identities:
        take_identity(in, *this);
        break;
      case Section::Counters:
        take_counter(in, *this);
        break;
    }
  }
  return in.ok();
}
}  // namespace onward
