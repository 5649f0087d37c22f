#pragma once
// Identifiers are types, so that a run can never be passed for a contact.
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace onward {
/// A number that names one thing of kind `Tag`. 0 names nothing.
template <class Tag, class Rep>
struct Id {
  Rep value{};
  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != Rep{}; }
};

using ContactKey = Id<struct ContactTag, std::uint64_t>;    ///< A contact's internal number.
using ScenarioKey = Id<struct ScenarioTag, std::uint32_t>;  ///< A scenario's internal number.
using NodeNumber = Id<struct NodeTag, std::uint32_t>;  ///< From 1; follows the node's id across
                                                       ///< the versions of one scenario.
using RunKey = Id<struct RunTag, std::uint64_t>;
using DeliveryKey = Id<struct DeliveryTag, std::uint64_t>;
using Version = std::uint32_t;   ///< From 1, dense, per scenario.
using Sequence = std::uint64_t;  ///< Commit order of inputs; the only order there is.
using EntryKey = std::string;    ///< Value of the scenario's `key`; empty where it has none.

/// Runs and deliveries are numbered (sequence of the input, ordinal in it), so that `advance` stays
/// pure and numbers only grow.
inline constexpr std::uint64_t kOrdinals = 256;
constexpr std::uint64_t numbered(Sequence seq, std::uint32_t ordinal) {
  return seq * kOrdinals + ordinal;
}

/// Which numbers a cell gives. Cell k of C gives those that are k modulo C, so that cells need not
/// agree on a number, and a number tells its cell. One machine is one cell: every number.
struct Numbering {
  std::uint32_t cells = 1;
  std::uint32_t cell = 0;  ///< Below `cells`.

  /// The least number of this cell above `last`.
  constexpr Sequence next(Sequence last) const {
    if (cells == 1) return last + 1;
    return last + 1 + (cells + cell - (last + 1) % cells) % cells;
  }
  constexpr ContactKey next(ContactKey last) const { return {next(last.value)}; }
  /// The cell in which a contact with this number lives.
  constexpr std::uint32_t cell_of(ContactKey contact) const {
    return static_cast<std::uint32_t>(contact.value % cells);
  }
  bool operator==(const Numbering&) const = default;
};

/// Thirteen characters of Crockford base 32, which sort as the number does.
std::string to_base32(std::uint64_t number);
std::optional<std::uint64_t> from_base32(std::string_view text);

/// "run_" and 13 characters.
std::string format_run(RunKey run);
std::optional<RunKey> parse_run(std::string_view text);

/// The `webhook-id` of a delivery: "evt_", the store's epoch (12 characters) and 13 characters.
/// Names a delivery towards people as well.
std::string format_delivery(std::string_view epoch, DeliveryKey delivery);

/// The epochs of a store, 12 random characters each. A copy that is restored goes on in a new one:
/// what it makes is never named like anything that was made after the copy was drawn, and what it
/// has made before keeps its names.
class Epochs {
 public:
  struct Past {
    DeliveryKey last;  ///< That was made in it.
    std::string epoch;
    bool operator==(const Past&) const = default;
  };
  Epochs() = default;
  /// `past`: oldest first.
  explicit Epochs(std::string newest, std::vector<Past> past = {})
      : newest_{std::move(newest)}, past_{std::move(past)} {}

  const std::string& newest() const { return newest_; }
  const std::vector<Past>& past() const { return past_; }
  /// The one in which `delivery` was made.
  const std::string& of(DeliveryKey delivery) const;
  bool operator==(const Epochs&) const = default;

 private:
  std::string newest_;
  std::vector<Past> past_;
};
std::string format_delivery(const Epochs& epochs, DeliveryKey delivery);

/// The epoch itself where it is one (12 characters of base 32); else one that is made of what can
/// be read of it, always the same.
std::string readable_epoch(std::string_view epoch);

/// Reads such a name back, whatever its epoch; nothing where it is none.
std::optional<DeliveryKey> parse_delivery(std::string_view text);
}  // namespace onward

template <class Tag, class Rep>
struct std::hash<onward::Id<Tag, Rep>> {
  std::size_t operator()(const onward::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
