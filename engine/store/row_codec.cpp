// Each row's bytes: see codec.h. What is optional is announced in a byte of flags.
#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kLedgerWithRefusals = 2;
constexpr std::uint8_t kTokenThatExpires = 2;
/// Of runs and deliveries: what is as usual is a bit.
constexpr std::uint8_t kShort = 2;

/// Ports that a step names by their place here, from 1 on; 0: its text follows. Append only, at
/// most seven.
constexpr std::array<std::string_view, 6> kPorts{"", "next", "yes", "no", "on_timeout", "moved"};
constexpr Duration kUsualWindow = std::chrono::hours{12};
constexpr int kUsualBit = 0x80;  // beside a delivery's state

/// Bits of a flag byte, lowest first.
std::uint8_t flags(std::initializer_list<bool> set) {
  std::uint8_t bits = 0;
  int place = 0;
  for (const bool flag : set) bits |= static_cast<std::uint8_t>(flag << place++);
  return bits;
}
bool has(std::uint8_t bits, int place) { return (bits >> place & 1) != 0; }

/// Checks the format byte before (at most `newest`) and the end after; `read` gets the decoder in
/// between, and the format where it asks for it.
template <class T, class Read>
Result<T> decoded(std::string_view what, std::string_view bytes, T row, Read read,
                  std::uint8_t newest = kFormat) {
  Decoder in{bytes};
  if (const std::uint8_t format = in.byte(); format >= kFormat && format <= newest) {
    if constexpr (std::is_invocable_v<Read, Decoder&, T&, std::uint8_t>)
      read(in, row, format);
    else
      read(in, row);
    if (in.ok() && in.at_end()) return row;
  }
  return fail(ErrorKind::Internal, kUnreadableRow,
              "the database is damaged: the bytes of a " + std::string{what} + " cannot be read");
}

template <class Enum>
Enum enumerator(Decoder& in, int value, Enum last) {
  if (value <= static_cast<int>(last)) return static_cast<Enum>(value);
  in.fail();
  return Enum{};
}
template <class Enum>
Enum enumerator(Decoder& in, Enum last) {
  return enumerator(in, in.byte(), last);
}

void put_when(Encoder& out, Instant base, const std::optional<Instant>& instant) {
  if (!instant) return;
  // Subtracted and added as unsigned numbers: any two instants will do, damaged ones as well.
  const auto difference = static_cast<std::uint64_t>(instant->time_since_epoch().count()) -
                          static_cast<std::uint64_t>(base.time_since_epoch().count());
  out.signed_number(static_cast<std::int64_t>(difference));
}
std::optional<Instant> get_when(Decoder& in, Instant base, bool present) {
  if (!present) return std::nullopt;
  const auto sum = static_cast<std::uint64_t>(base.time_since_epoch().count()) +
                   static_cast<std::uint64_t>(in.signed_number());
  return Instant{Duration{static_cast<std::int64_t>(sum)}};
}
/// Added as unsigned numbers, as above.
Instant usual_deadline(Instant created) {
  const auto sum = static_cast<std::uint64_t>(created.time_since_epoch().count()) +
                   static_cast<std::uint64_t>(kUsualWindow.count());
  return Instant{Duration{static_cast<std::int64_t>(sum)}};
}
/// A number near another one of its kind.
void put_near(Encoder& out, std::uint64_t base, std::uint64_t number) {
  out.signed_number(static_cast<std::int64_t>(number - base));
}
std::uint64_t get_near(Decoder& in, std::uint64_t base) {
  return base + static_cast<std::uint64_t>(in.signed_number());
}

void put_attempt(Encoder& out, const Attempt& attempt) {
  out.number(attempt.number);
  out.instant(attempt.started);
  out.signed_number(attempt.took.count());
  out.signed_number(attempt.status);
  out.text(attempt.code);
  out.text(attempt.error);
  out.text(attempt.response);
}
Attempt get_attempt(Decoder& in) {
  Attempt attempt;
  attempt.number = in.small_number();
  attempt.started = in.instant();
  attempt.took = Duration{in.signed_number()};
  attempt.status = static_cast<int>(in.signed_number());
  attempt.code = in.string();
  attempt.error = in.string();
  attempt.response = in.string();
  return attempt;
}

void put_texts(Encoder& out, const std::vector<std::string>& texts) {
  out.number(texts.size());
  for (const std::string& text : texts) out.text(text);
}
std::vector<std::string> get_texts(Decoder& in) {
  std::vector<std::string> texts(in.count());
  for (std::string& text : texts) text = in.string();
  return texts;
}

/// The last attempt of a delivery, against what the delivery says.
void put_last(Encoder& out, const Delivery& delivery) {
  const Attempt& last = *delivery.last;
  const bool texts = !last.code.empty() || !last.error.empty() || !last.response.empty();
  out.byte(flags({last.number == delivery.attempts, texts}));
  if (last.number != delivery.attempts) out.number(last.number);
  put_when(out, delivery.created, last.started);
  out.signed_number(last.took.count());
  out.signed_number(last.status);
  if (!texts) return;
  out.text(last.code);
  out.text(last.error);
  out.text(last.response);
}
Attempt get_last(Decoder& in, const Delivery& delivery) {
  Attempt last;
  const std::uint8_t bits = in.byte();
  last.number = has(bits, 0) ? delivery.attempts : in.small_number();
  last.started = *get_when(in, delivery.created, true);
  last.took = Duration{in.signed_number()};
  last.status = static_cast<int>(in.signed_number());
  if (!has(bits, 1)) return last;
  last.code = in.string();
  last.error = in.string();
  last.response = in.string();
  return last;
}

/// `before`: when the run came to the step before.
void put_step(Encoder& out, const Run& run, const PathStep& step, Instant before) {
  const auto known = std::find(kPorts.begin(), kPorts.end(), step.port);
  const auto port = known == kPorts.end() ? 0 : known - kPorts.begin() + 1;
  out.byte(static_cast<std::uint8_t>(
      flags({step.delivery.has_value(), !step.note.empty(), step.at == before}) | port << 3));
  out.number(step.node.value);
  if (step.at != before) put_when(out, before, step.at);
  if (port == 0) out.text(step.port);
  if (step.delivery) put_near(out, run.key.value, step.delivery->value);
  if (!step.note.empty()) out.text(step.note);
}
PathStep get_step(Decoder& in, const Run& run, Instant before) {
  PathStep step;
  const std::uint8_t bits = in.byte();
  const std::size_t port = bits >> 3;
  step.node.value = in.small_number();
  step.at = get_when(in, before, !has(bits, 2)).value_or(before);
  if (port > kPorts.size()) in.fail();
  if (port == 0)
    step.port = in.string();
  else if (in.ok())
    step.port = kPorts[port - 1];
  if (has(bits, 0)) step.delivery = DeliveryKey{get_near(in, run.key.value)};
  if (has(bits, 1)) step.note = in.string();
  return step;
}
/// As the first format had it.
PathStep get_long_step(Decoder& in, const Run& run) {
  PathStep step;
  const std::uint8_t bits = in.byte();
  step.node.value = in.small_number();
  step.at = *get_when(in, run.started, true);
  step.port = in.string();
  if (has(bits, 0)) step.delivery = DeliveryKey{get_near(in, run.key.value)};
  if (has(bits, 1)) step.note = in.string();
  return step;
}

void put_mailing(Encoder& out, const MailingStats& mailing) {
  const auto& m = mailing;
  out.byte(flags({m.received.has_value(), m.opened_first.has_value(), m.opened_last.has_value(),
                  m.clicked_first.has_value(), m.clicked_last.has_value()}));
  out.text(m.mailing);
  out.text(m.subject);
  for (const auto* when :
       {&m.received, &m.opened_first, &m.opened_last, &m.clicked_first, &m.clicked_last})
    put_when(out, Instant{}, *when);
}
MailingStats get_mailing(Decoder& in) {
  MailingStats m;
  const std::uint8_t bits = in.byte();
  m.mailing = in.string();
  m.subject = in.string();
  int place = 0;
  for (auto* when :
       {&m.received, &m.opened_first, &m.opened_last, &m.clicked_first, &m.clicked_last})
    *when = get_when(in, Instant{}, has(bits, place++));
  return m;
}
}  // namespace

void encode(Encoder& out, const Contact& contact) {
  out.byte(kFormat);
  out.byte(flags({contact.id.has_value(), contact.id && contact.id->numeric}));
  if (contact.id) out.text(contact.id->text);
  out.instant(contact.created_at);
  put_when(out, contact.created_at, contact.updated_at);
  out.number(contact.fields.size());
  for (const auto& [field, value] : contact.fields) {
    out.byte(static_cast<std::uint8_t>(field));
    out.value(value);
  }
  out.number(contact.custom.size());
  for (const auto& [name, value] : contact.custom) {
    out.text(name);
    out.value(value);
  }
  put_texts(out, contact.groups);
}

Result<Contact> decode_contact(ContactKey key, std::string_view bytes) {
  return decoded("contact", bytes, Contact{.key = key}, [](Decoder& in, Contact& contact) {
    const std::uint8_t bits = in.byte();
    if (has(bits, 0)) contact.id = ExternalId{.text = in.string(), .numeric = has(bits, 1)};
    contact.created_at = in.instant();
    contact.updated_at = *get_when(in, contact.created_at, true);
    contact.fields.resize(in.count());
    for (auto& [field, value] : contact.fields) {
      field = enumerator(in, Field::ConsentIp);
      value = in.value();
    }
    contact.custom.resize(in.count());
    for (auto& [name, value] : contact.custom) {
      name = in.string();
      value = in.value();
    }
    contact.groups = get_texts(in);
  });
}

bool encoded_has_id(std::string_view contact) {
  return contact.size() > 1 && has(static_cast<std::uint8_t>(contact[1]), 0);
}

void encode(Encoder& out, const Engagement& engagement) {
  out.byte(kFormat);
  out.byte(flags({engagement.opened_last.has_value(), engagement.clicked_last.has_value()}));
  put_when(out, Instant{}, engagement.opened_last);
  put_when(out, Instant{}, engagement.clicked_last);
  out.number(engagement.mailings.size());
  for (const MailingStats& mailing : engagement.mailings) put_mailing(out, mailing);
}

Result<Engagement> decode_engagement(std::string_view bytes) {
  return decoded("contact's statistics", bytes, Engagement{},
                 [](Decoder& in, Engagement& engagement) {
                   const std::uint8_t bits = in.byte();
                   engagement.opened_last = get_when(in, Instant{}, has(bits, 0));
                   engagement.clicked_last = get_when(in, Instant{}, has(bits, 1));
                   engagement.mailings.resize(in.count());
                   for (MailingStats& mailing : engagement.mailings) mailing = get_mailing(in);
                 });
}

void encode(Encoder& out, const LedgerRow& row) {
  out.byte(row.refusals.empty() ? kFormat : kLedgerWithRefusals);
  out.number(row.entries);
  out.instant(row.last_entry);
  out.number(row.visited.words().size());
  for (const std::uint64_t word : row.visited.words()) out.number(word);
  if (row.refusals.empty()) return;
  out.number(row.refusals.size());
  for (const Refusal& refusal : row.refusals) {
    out.text(refusal.reason);
    out.number(refusal.count);
    out.instant(refusal.last);
  }
}

Result<LedgerRow> decode_ledger(ScenarioKey scenario, EntryKey key, bool test,
                                std::string_view bytes) {
  LedgerRow empty{.scenario = scenario, .key = std::move(key), .test = test};
  const auto read = [](Decoder& in, LedgerRow& row, std::uint8_t format) {
    row.entries = in.small_number();
    row.last_entry = in.instant();
    std::vector<std::uint64_t> words(in.count());
    for (std::uint64_t& word : words) word = in.number();
    row.visited = VisitedNodes::from_words(std::move(words));
    if (format < kLedgerWithRefusals) return;
    row.refusals.resize(in.count());
    for (Refusal& refusal : row.refusals) {
      refusal.reason = in.string();
      refusal.count = in.small_number();
      refusal.last = in.instant();
    }
  };
  return decoded("ledger row", bytes, std::move(empty), read, kLedgerWithRefusals);
}

void encode(Encoder& out, const Run& run) {
  const bool event = run.live() && run.event;
  out.byte(kShort);
  out.byte(flags({run.test, run.ended.has_value(), run.wake_at.has_value(), event,
                  !run.entry_key.empty(), !run.reason.empty(), run.goal.has_value(),
                  run.recheck_at.has_value()}));
  out.number(run.scenario.value);
  out.number(run.version);
  out.byte(static_cast<std::uint8_t>(run.state));
  out.instant(run.started);
  put_when(out, run.started, run.ended);
  put_when(out, run.started, run.wake_at);
  put_when(out, run.started, run.goal);
  put_when(out, run.started, run.recheck_at);
  if (!run.entry_key.empty()) out.text(run.entry_key);
  if (!run.reason.empty()) out.text(run.reason);
  if (event) {
    out.text(run.event->type);
    out.instant(run.event->at);
    out.value(run.event->data);
  }
  out.number(run.path.size());
  Instant before = run.started;
  for (const PathStep& step : run.path) {
    put_step(out, run, step, before);
    before = step.at;
  }
}

Result<Run> decode_run(RunKey key, ContactKey contact, std::string_view bytes) {
  Run empty;
  empty.key = key;
  empty.contact = contact;
  const auto read = [](Decoder& in, Run& run, std::uint8_t format) {
    const std::uint8_t bits = in.byte();
    run.test = has(bits, 0);
    run.scenario.value = in.small_number();
    run.version = in.small_number();
    run.state = enumerator(in, RunState::Parked);
    run.started = in.instant();
    run.ended = get_when(in, run.started, has(bits, 1));
    run.wake_at = get_when(in, run.started, has(bits, 2));
    run.goal = get_when(in, run.started, has(bits, 6));
    run.recheck_at = get_when(in, run.started, has(bits, 7));
    if (has(bits, 4)) run.entry_key = in.string();
    if (has(bits, 5)) run.reason = in.string();
    run.pending_arrival = run.state == RunState::Parked && run.reason == kCascadeReason;
    if (has(bits, 3)) {
      Event event{.type = in.string(), .at = in.instant(), .data = in.value()};
      run.event = std::make_shared<const Event>(std::move(event));
    }
    run.path.resize(in.count());
    Instant before = run.started;
    for (PathStep& step : run.path) {
      step = format < kShort ? get_long_step(in, run) : get_step(in, run, before);
      before = step.at;
    }
  };
  return decoded("run", bytes, std::move(empty), read, kShort);
}

void encode(Encoder& out, const Delivery& delivery) {
  const Delivery& d = delivery;
  const bool more = d.parked_since || d.batch || !d.members.empty();
  const bool usual = d.deadline == usual_deadline(d.created);
  out.byte(kShort);
  out.byte(flags({d.test, d.parked, d.due.has_value(), d.settled.has_value(), d.last.has_value(),
                  !d.reason.empty(), d.series != 0 || d.series_from != 0, more}));
  out.byte(static_cast<std::uint8_t>(static_cast<int>(d.state) | (usual ? kUsualBit : 0)));
  out.number(d.endpoint.scenario.value);
  out.number(d.endpoint.node.value);
  out.number(d.endpoint.version);
  out.number(d.contact.value);
  put_near(out, d.key.value, d.run.value);
  out.instant(d.created);
  if (!usual) put_when(out, d.created, d.deadline);
  out.number(d.attempts);
  put_when(out, d.created, d.due);
  put_when(out, d.created, d.settled);
  if (d.last) put_last(out, d);
  if (!d.reason.empty()) out.text(d.reason);
  if (d.series != 0 || d.series_from != 0) {
    out.number(d.series);
    out.number(d.series_from);
  }
  if (!more) return;
  out.byte(flags({d.parked_since.has_value(), d.batch.has_value()}));
  put_when(out, d.created, d.parked_since);
  if (d.batch) put_near(out, d.key.value, d.batch->value);
  out.number(d.members.size());
  for (const DeliveryKey member : d.members) put_near(out, d.key.value, member.value);
}

Result<Delivery> decode_delivery(DeliveryKey key, std::string_view bytes) {
  const auto read = [](Decoder& in, Delivery& d, std::uint8_t format) {
    const std::uint8_t bits = in.byte();
    d.test = has(bits, 0);
    d.parked = has(bits, 1);
    const std::uint8_t state = in.byte();
    const bool usual = format >= kShort && (state & kUsualBit) != 0;
    d.state = enumerator(in, usual ? state & ~kUsualBit : state, DeliveryState::Cancelled);
    d.endpoint.scenario.value = in.small_number();
    d.endpoint.node.value = in.small_number();
    d.endpoint.version = in.small_number();
    d.contact.value = in.number();
    d.run.value = get_near(in, d.key.value);
    d.created = in.instant();
    d.deadline = usual ? usual_deadline(d.created) : *get_when(in, d.created, true);
    d.attempts = in.small_number();
    d.due = get_when(in, d.created, has(bits, 2));
    d.settled = get_when(in, d.created, has(bits, 3));
    if (has(bits, 4)) d.last = format < kShort ? get_attempt(in) : get_last(in, d);
    if (has(bits, 5)) d.reason = in.string();
    if (has(bits, 6)) {
      d.series = in.small_number();
      d.series_from = in.small_number();
    }
    if (!has(bits, 7)) return;
    const std::uint8_t more = in.byte();
    d.parked_since = get_when(in, d.created, has(more, 0));
    if (has(more, 1)) d.batch = DeliveryKey{get_near(in, d.key.value)};
    d.members.resize(in.count());
    for (DeliveryKey& member : d.members) member.value = get_near(in, d.key.value);
  };
  return decoded("delivery", bytes, Delivery{.key = key}, read, kShort);
}

void encode(Encoder& out, const Request& request) {
  out.byte(kFormat);
  out.text(request.method);
  out.text(request.url);
  out.number(request.headers.size());
  for (const auto& [name, value] : request.headers) {
    out.text(name);
    out.text(value);
  }
  out.text(request.body);
}

Result<Request> decode_request(std::string_view bytes) {
  return decoded("request", bytes, Request{}, [](Decoder& in, Request& request) {
    request.method = in.string();
    request.url = in.string();
    request.headers.resize(in.count());
    for (auto& [name, value] : request.headers) {
      name = in.string();
      value = in.string();
    }
    request.body = in.string();
  });
}

void encode(Encoder& out, const Attempt& attempt) {
  out.byte(kFormat);
  put_attempt(out, attempt);
}

Result<Attempt> decode_attempt(std::string_view bytes) {
  return decoded("attempt", bytes, Attempt{},
                 [](Decoder& in, Attempt& attempt) { attempt = get_attempt(in); });
}

void encode(Encoder& out, const CounterRow& row) {
  out.byte(kFormat);
  out.number(row.counts.size());
  for (const std::int64_t count : row.counts) out.signed_number(count);
  out.number(row.named.size());
  for (const auto& [name, count] : row.named) {
    out.text(name);
    out.signed_number(count);
  }
}

Result<CounterRow> decode_counters(std::string_view bytes) {
  return decoded("counter", bytes, CounterRow{}, [](Decoder& in, CounterRow& row) {
    // Counters are only ever appended: an older row has fewer of them.
    const std::size_t counts = in.count();
    if (counts > row.counts.size()) return in.fail();
    for (std::size_t i = 0; i < counts; ++i) row.counts[i] = in.signed_number();
    row.named.resize(in.count());
    for (auto& [name, count] : row.named) {
      name = in.string();
      count = in.signed_number();
    }
  });
}

void encode(Encoder& out, const ScenarioRecord& record) {
  const ScenarioRecord& r = record;
  out.byte(kFormat);
  out.byte(flags({r.activated.has_value(), r.archived.has_value(), r.ever_ran, r.deleted,
                  r.purged.has_value()}));
  out.text(r.id);
  out.byte(static_cast<std::uint8_t>(r.state));
  out.number(r.newest);
  out.instant(r.created);
  put_when(out, r.created, r.activated);
  put_when(out, r.created, r.archived);
  put_when(out, r.created, r.purged);
  put_texts(out, r.test_emails);
  out.number(r.nodes.size());
  for (const auto& [id, number] : r.nodes) {
    out.text(id);
    out.number(number.value);
  }
  out.number(r.kinds.size());
  for (const auto& [id, kind] : r.kinds) {
    out.text(id);
    out.text(kind);
  }
}

Result<ScenarioRecord> decode_scenario(ScenarioKey key, std::string_view bytes) {
  return decoded("scenario", bytes, ScenarioRecord{.key = key}, [](Decoder& in, auto& r) {
    const std::uint8_t bits = in.byte();
    r.ever_ran = has(bits, 2);
    r.deleted = has(bits, 3);
    r.id = in.string();
    r.state = enumerator(in, ScenarioState::Archived);
    r.newest = in.small_number();
    r.created = in.instant();
    r.activated = get_when(in, r.created, has(bits, 0));
    r.archived = get_when(in, r.created, has(bits, 1));
    r.purged = get_when(in, r.created, has(bits, 4));
    r.test_emails = get_texts(in);
    r.nodes.resize(in.count());
    for (auto& [id, number] : r.nodes) {
      id = in.string();
      number.value = in.small_number();
    }
    r.kinds.resize(in.count());
    for (auto& [id, kind] : r.kinds) {
      id = in.string();
      kind = in.string();
    }
  });
}

void encode(Encoder& out, const TokenRecord& record) {
  out.byte(record.expires ? kTokenThatExpires : kFormat);
  out.text(record.name);
  out.byte(static_cast<std::uint8_t>(record.role));
  out.instant(record.created);
  if (record.expires) out.instant(*record.expires);
}

Result<TokenRecord> decode_token(std::string sha256, std::string_view bytes) {
  const auto read = [](Decoder& in, TokenRecord& record, std::uint8_t format) {
    record.name = in.string();
    record.role = enumerator(in, Role::Metrics);
    record.created = in.instant();
    if (format == kTokenThatExpires) record.expires = in.instant();
  };
  return decoded("token", bytes, TokenRecord{.sha256 = std::move(sha256)}, read, kTokenThatExpires);
}

void encode(Encoder& out, const std::vector<Epochs::Past>& past) {
  out.byte(kFormat);
  out.number(past.size());
  for (const Epochs::Past& one : past) {
    out.number(one.last.value);
    out.text(one.epoch);
  }
}

Result<std::vector<Epochs::Past>> decode_past_epochs(std::string_view bytes) {
  return decoded("list of epochs", bytes, std::vector<Epochs::Past>{}, [](Decoder& in, auto& past) {
    past.resize(in.count());
    for (Epochs::Past& one : past) {
      one.last.value = in.number();
      one.epoch = in.string();
    }
  });
}

void encode(Encoder& out, const Activity& activity) {
  out.byte(kFormat);
  out.instant(activity.at);
  for (const std::string* text :
       {&activity.what, &activity.scenario, &activity.node, &activity.who, &activity.text})
    out.text(*text);
}

Result<Activity> decode_activity(std::string_view bytes) {
  return decoded("line of the activity log", bytes, Activity{}, [](Decoder& in, Activity& row) {
    row.at = in.instant();
    for (std::string* text : {&row.what, &row.scenario, &row.node, &row.who, &row.text})
      *text = in.string();
  });
}
}  // namespace onward
