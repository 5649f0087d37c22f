#pragma once
// What people set up, as memory holds it. Each process has one, and every cell of it goes by it.
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/control/scenario_book.h"
#include "engine/control/secret_book.h"
#include "engine/control/switches.h"
#include "engine/control/token_book.h"
#include "engine/core/base/time.h"
#include "engine/core/contact/custom_fields.h"

namespace onward {
struct ControlState {
  ScenarioBook scenarios;
  SecretBook secrets;
  std::shared_ptr<const TokenBook> tokens;     ///< Never null.
  std::shared_ptr<const CustomFields> fields;  ///< Never null.
  Switches switches;
  /// Since when no request leaves (a restored copy); nothing: requests leave.
  std::optional<Instant> held_since;
  /// Grows with every change of a scenario and of what files may name.
  std::uint64_t generation = 0;

  /// Declares `declared`, and no other fields, to scenarios.
  void set_fields(CustomFields declared) {
    fields = std::make_shared<const CustomFields>(std::move(declared));
    scenarios.reader().know_fields(fields);
    ++generation;
  }
};
}  // namespace onward
