#pragma once
// Rows as compact bytes: variable-length integers, lengths before texts, a format byte first. The
// same bytes stand in the journal and in the tables. Formats are never changed, only added to: a
// new one gets a new first byte, and decoders of old ones stay.
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/ledger.h"
#include "engine/core/journey/run.h"
#include "engine/core/journey/stats.h"
#include "engine/store/rows.h"

namespace onward {
/// Appends to a string.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_{&out} {}
  void byte(std::uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);  ///< Small magnitudes are short.
  void text(std::string_view value);       ///< Its length first.
  void raw(std::string_view value) { out_->append(value); }
  void instant(Instant value) { signed_number(value.time_since_epoch().count()); }
  void value(const Value& value);

 private:
  std::string* out_;
};

/// Within some 36 million years, so that two instants can be subtracted. Others, which come from
/// damaged rows, nobody can have meant.
inline constexpr Instant kEarliest{Duration{-(std::int64_t{1} << 60)}};
inline constexpr Instant kLatest{Duration{std::int64_t{1} << 60}};
inline bool is_sound(Instant instant) { return instant >= kEarliest && instant <= kLatest; }

/// Reads what an Encoder wrote. Damaged bytes never crash it: after the first fault everything is
/// zero or empty and `ok` is false. Texts are views into the bytes.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_{bytes} {}
  std::uint8_t byte();
  bool flag() { return byte() != 0; }
  std::uint64_t number();
  std::uint32_t small_number();  ///< At most 32 bits; more is a fault.
  std::int64_t signed_number();
  std::size_t count();  ///< Of items that take at least a byte each, so never more than is left.
  std::string_view text();
  std::string string() { return std::string{text()}; }
  std::string_view raw(std::size_t size);
  /// One that nobody can have meant (see `is_sound`) is a fault.
  Instant instant();
  Value value(int depth = 0);

  void fail() { ok_ = false, rest_ = {}; }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void encode(Encoder& out, const Contact& contact);  ///< Without its key.
Result<Contact> decode_contact(ContactKey key, std::string_view bytes);
/// Whether the contact in these bytes has an id of its own; looks at two bytes.
bool encoded_has_id(std::string_view contact);

void encode(Encoder& out, const Engagement& engagement);
Result<Engagement> decode_engagement(std::string_view bytes);

/// The row without scenario, key and test, which are columns.
void encode(Encoder& out, const LedgerRow& row);
Result<LedgerRow> decode_ledger(ScenarioKey scenario, EntryKey key, bool test,
                                std::string_view bytes);

/// Without its key and contact. The event is kept only while the run is live.
void encode(Encoder& out, const Run& run);
Result<Run> decode_run(RunKey key, ContactKey contact, std::string_view bytes);

void encode(Encoder& out, const Delivery& delivery);  ///< Without its key.
Result<Delivery> decode_delivery(DeliveryKey key, std::string_view bytes);

void encode(Encoder& out, const Request& request);
Result<Request> decode_request(std::string_view bytes);

void encode(Encoder& out, const Attempt& attempt);
Result<Attempt> decode_attempt(std::string_view bytes);

void encode(Encoder& out, const CounterRow& row);
Result<CounterRow> decode_counters(std::string_view bytes);

void encode(Encoder& out, const ScenarioRecord& record);  ///< Without its key.
Result<ScenarioRecord> decode_scenario(ScenarioKey key, std::string_view bytes);

void encode(Encoder& out, const TokenRecord& record);  ///< Without its hash.
Result<TokenRecord> decode_token(std::string sha256, std::string_view bytes);

void encode(Encoder& out, const std::vector<Epochs::Past>& past);
Result<std::vector<Epochs::Past>> decode_past_epochs(std::string_view bytes);

void encode(Encoder& out, const Activity& activity);
Result<Activity> decode_activity(std::string_view bytes);
}  // namespace onward
