#pragma once
// The newest state of what was committed but not yet folded: consulted before the tables.
//
// Rows are views into journal rows, which the store keeps in memory until they are folded. Every
// put carries the present generation; a fold takes what stood there when its generation was
// frozen, and drops a row only if nothing newer was put meanwhile.
#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/core/base/hash.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/journey/stats.h"
#include "engine/store/sqlite/overlay_layers.h"

namespace onward {
class Decoder;
enum class Section : std::uint8_t;

class Overlay {
 public:
  using Bytes = OverlayBytes;
  using RunRow = OverlayRun;
  using DeliveryRow = OverlayDelivery;
  using TimerRow = OverlayTimer;
  using SeenRow = OverlaySeen;
  using IdRow = OverlayId;
  using EmailRow = OverlayEmail;

  ContactLayer contacts;
  Layer<ContactKey, Bytes> engagements;
  LedgerLayer ledger;
  RunLayer runs;
  DeliveryLayer deliveries;
  RequestLayer requests;
  Layer<std::pair<DeliveryKey, std::uint32_t>, Bytes, OverlayHash> attempts;
  TimerLayer timers;
  Layer<Hash128, SeenRow> seen;
  IdLayer ids;
  EmailLayer emails;
  Layer<CounterKey, Bytes, OverlayHash> counters;

  PutContext context;
  Sequence last_seq = 0;
  ContactKey last_contact;  ///< Greatest ever put, or said to be in use.
  Instant newest{};         ///< Of a commit.

  /// Takes in a journal row, which must outlive its rows here. False where the bytes are damaged.
  [[nodiscard]] bool apply(std::string_view journal_row);

 private:
  bool apply(Section section, Decoder& in);
};
}  // namespace onward
