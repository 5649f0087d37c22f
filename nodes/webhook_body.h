#pragma once
// What a webhook says: the standard envelope, the events envelope, or the author's own map.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/scenario/node.h"
#include "engine/core/scenario/settings.h"
#include "engine/core/template/lookup.h"
#include "engine/core/template/template.h"

namespace onward {
struct BodyMember;

/// A value of the body, or where it comes from. Compiled once, rendered for each visit.
struct BodyPart {
  /// What the visit itself knows.
  enum class Source : std::uint8_t {
    DeliveryId,
    Timestamp,
    AccountId,
    Action,      ///< The event's name in the events envelope; null where nothing started the run.
    ActionDate,  ///< Its `at`, or now, in seconds since 1970.
    ActionData,  ///< Its data without the list.
    ListId,
    BaseIds,  ///< The contact's id in a list, which is empty where it has none.
  };
  /// Ready JSON, and the same as a value.
  struct Constant {
    Value value;
    std::string json;
  };
  std::variant<Constant, Source, Lookup, Template, PayloadPath, std::vector<BodyMember>,
               std::vector<BodyPart>>
      what;
};
struct BodyMember {
  std::string name;
  std::string json_name;  ///< With quotes and colon: `"email":`
  BodyPart part;
};

/// Immutable once read.
class WebhookBody {
 public:
  /// Reads `envelope`, `contact_fields`, `additional` and `payload`, and reports what is wrong.
  explicit WebhookBody(Settings& settings);

  /// Appends it, and stops when `out` becomes longer than `most`, as onward::append_json does, or
  /// when the input has rendered all that it may. False if it stopped.
  [[nodiscard]] bool append_json(std::string& out, const Visit& visit,
                                 const TemplateSubject& subject, std::size_t most) const;
  /// The same as pairs, for forms and queries.
  [[nodiscard]] bool append_pairs(std::string& out, const Visit& visit,
                                  const TemplateSubject& subject, std::size_t most) const;

  /// Whether it is the standard envelope.
  bool is_standard() const { return standard_; }
  /// The standard envelope as the test button sends it: with the fields of seed S2's example.
  static const WebhookBody& test_data();

 private:
  WebhookBody() = default;
  void read_standard(Settings& settings);
  void read_events(Settings& settings);
  BodyPart root_;
  bool standard_ = false;
};
}  // namespace onward
