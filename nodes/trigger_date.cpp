#include "engine/core/contact/custom_prefix.h"
#include "engine/core/template/lookup.h"
#include "nodes/nodes.h"
#include "nodes/time_of_day.h"

namespace onward {
namespace {
constexpr std::chrono::days kTriggerOffsetMax{3653};  // ten years
constexpr std::chrono::days kYearlyOffsetMax{365};    // more would only count years anew

bool is_day(FieldType type) { return type == FieldType::Date || type == FieldType::Instant; }

/// Starts a run on the day that a contact's field names, or on that day of each year.
class TriggerDate final : public Node {
 public:
  explicit TriggerDate(Settings& settings) {
    DateListen listen;
    listen.field = read_field(settings);
    listen.yearly = settings.has("every") && settings.choice("every") == "year";
    listen.offset =
        whole_days(settings, "offset", listen.yearly ? kYearlyOffsetMax : kTriggerOffsetMax);
    listen.at = time_of_day(settings, "at");
    listen.where = settings.segment("where");
    if (listen.where.reads().event_data)
      settings.error(settings.find("where")->at, "no_event",
                     "\"where\" reads event.…, but no event starts this run; ask the contact's "
                     "fields and opened, clicked or received");
    listens_ = std::move(listen);
  }

  const Listen& listens() const override { return listens_; }
  // The run that it started goes straight on.
  Outcome enter(const Visit&) const override { return leave_by("next"); }

 private:
  /// The field's canonical name; empty where it is wrong and reported.
  static std::string read_field(Settings& settings) {
    const std::string name = settings.required<std::string>("field");
    const Tree* tree = settings.find("field");
    if (!tree || !tree->is_scalar()) return {};
    const auto lookup = find_contact_lookup(name.starts_with("contact.") ? name.substr(8) : name);
    using Source = Lookup::Source;
    if (lookup && lookup->source == Source::Custom && lookup->rest.empty() &&
        !lookup->name.empty()) {
      note_custom_field(*lookup, tree->at, settings.diagnostics());
      return std::string{kCustom} + lookup->name;
    }
    if (lookup && lookup->source == Source::Field && is_day(info_of(lookup->field).type))
      return std::string{info_of(lookup->field).name};
    std::vector<std::string> days;
    std::string known;
    for (const FieldInfo& info : contact_fields()) {
      if (!is_day(info.type)) continue;
      days.emplace_back(info.name);
      known += days.back() + ", ";
    }
    settings.error(tree->at, lookup ? "wrong_type" : "unknown_field",
                   "\"field\" wants a field of the contact that holds a day or a time (" + known +
                       "or a whole field of your own, custom.…), found " + describe(*tree),
                   settings.nearest(name, days));
    return {};
  }

  Listen listens_;
};
}  // namespace

NodeKind trigger_date_kind() {
  return {
      .name = "trigger_date",
      .family = NodeFamily::Trigger,
      .summary = "Starts a run on the day that a contact's field names, or on that day each year.",
      .settings =
          {{"field", SettingType::Text,
            "The contact's field: birth_date, consent.expires_at, custom.renewal",
            /*required=*/true},
           {"every", SettingType::Choice, "year: on that day of each year", false, {"year"}},
           {"offset",
            SettingType::Duration,
            "Whole days before or after: -3d, 2w",
            false,
            {},
            kDaysSchema},
           {"at",
            SettingType::Text,
            "Time of day in the contact's time zone: \"09:00\"; midnight where missing",
            false,
            {},
            kTimeOfDaySchema},
           {"where", SettingType::Segment,
            "Only contacts that match when the day comes: { in_group: customers }"}},
      .make = make_node<TriggerDate>};
}
}  // namespace onward
