#include "engine/core/template/placeholders.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/text.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/template/lookup.h"

namespace onward {
namespace {
constexpr std::string_view kEllipsis = "…";
/// Longer names of a file are left out of lists of placeholders.
constexpr std::size_t kPlaceholderNameMax = 1024;
constexpr std::string_view kAny = "any";
constexpr std::string_view kTextHelp = "text";

struct PlaceholderRow {
  std::string_view name;
  std::string_view example;  ///< JSON.
  std::string_view summary = {};
};
// Where a row is missing, a value of the type stands for it.
constexpr std::array kPlaceholderRows{
    PlaceholderRow{"id", "54321", "The caller's own id, a number where it came as one"},
    PlaceholderRow{"email", R"("jane@example.org")"},
    PlaceholderRow{"first_name", R"("Jane")"},
    PlaceholderRow{"last_name", R"("Doe")"},
    PlaceholderRow{"phone", R"("+1 514 555 0100")"},
    PlaceholderRow{"cellphone", R"("+1 514 555 0101")"},
    PlaceholderRow{"language", R"("fr")"},
    PlaceholderRow{"gender", R"("female")"},
    PlaceholderRow{"country", R"("CA")"},
    PlaceholderRow{"company", R"("Example Ltd.")"},
    PlaceholderRow{"birth_date", R"("1990-05-01")"},
    PlaceholderRow{"postal_code", R"("H2X 1Y4")"},
    PlaceholderRow{"note", R"("Prefers mornings")"},
    PlaceholderRow{"timezone", R"("America/Toronto")"},
    PlaceholderRow{"subscribed_at", R"("2026-05-01T09:00:00Z")"},
    PlaceholderRow{"consent.type", R"("express")"},
    PlaceholderRow{"consent.source", R"("form on the site")"},
    PlaceholderRow{"consent.given_at", R"("2026-05-01T09:00:00Z")"},
    PlaceholderRow{"consent.expires_at", R"("2028-05-01T09:00:00Z")"},
    PlaceholderRow{"consent.proof", R"("https://example.org/proofs/1")"},
    PlaceholderRow{"consent.ip", R"("192.0.2.7")"},
    PlaceholderRow{"groups", R"(["customers","vip"])", "The groups that the contact is in"},
    PlaceholderRow{"created_at", R"("2026-05-01T09:00:00Z")",
                   "When the contact was first heard of"},
    PlaceholderRow{"updated_at", R"("2026-05-02T10:30:00Z")", "When a value of it last changed"},
    PlaceholderRow{"mailings_received", "12", "E-mails received"},
    PlaceholderRow{"mailings_opened", "6", "E-mails opened"},
    PlaceholderRow{"mailings_clicked", "3", "E-mails clicked"},
    PlaceholderRow{"open_rate", "0.5", "Opened over received, 0 to 1"},
    PlaceholderRow{"click_rate", "0.25", "Clicked over received, 0 to 1"},
    PlaceholderRow{"first_received_at", R"("2026-01-05T08:00:00Z")",
                   "When the first e-mail arrived"},
    PlaceholderRow{"first_received_subject", R"("Welcome")", "The subject of that"},
    PlaceholderRow{"last_received_at", R"("2026-05-01T08:00:00Z")",
                   "When the latest e-mail arrived"},
    PlaceholderRow{"last_received_subject", R"("News of May")", "The subject of that"},
    PlaceholderRow{"last_opened_at", R"("2026-05-01T08:12:00Z")", "When an e-mail was last opened"},
    PlaceholderRow{"last_opened_subject", R"("News of May")", "The subject of that"},
    PlaceholderRow{"last_clicked_at", R"("2026-05-01T08:13:00Z")",
                   "When an e-mail was last clicked"},
};

std::string_view example_of(FieldType type) {
  switch (type) {
    case FieldType::Text:
      return R"("text")";
    case FieldType::Number:
      return "1";
    case FieldType::Date:
      return R"("2026-05-01")";
    case FieldType::Instant:
      return R"("2026-05-01T09:00:00Z")";
    case FieldType::Flag:
      return "true";
    case FieldType::List:
      return R"(["a","b"])";
  }
  return "null";
}

Value json(std::string_view text) { return parse_json(text).value_or(Value{}); }

PlaceholderInfo of_contact(std::string group, const std::string& name) {
  const auto lookup = find_contact_lookup(name);
  const FieldType type = lookup ? lookup->type().value_or(FieldType::Text) : FieldType::Text;
  const auto row =
      std::find_if(kPlaceholderRows.begin(), kPlaceholderRows.end(),
                   [&](const PlaceholderRow& candidate) { return candidate.name == name; });
  const FieldInfo* info = find_field(name);
  PlaceholderInfo made{
      .group = std::move(group),
      .name = "contact." + name,
      .path = "$.subscriber." + name,
      .field = name,
      .webhook = info ? std::string{info->webhook} : name,
      .type = to_string(type),
      .example = json(row == kPlaceholderRows.end() ? example_of(type) : row->example)};
  if (info)
    made.summary = info->summary;
  else if (row != kPlaceholderRows.end())
    made.summary = row->summary;
  return made;
}

PlaceholderInfo of_custom(std::string_view name, Value example) {
  const std::string own{name};
  return {.group = "custom",
          .name = "contact.custom." + own,
          .path = "$.subscriber.custom." + own,
          .field = std::string{kCustom} + own,
          .webhook = std::string{kCustom} + own,
          .type = kAny,
          .example = std::move(example),
          .summary = "A field of your own"};
}

PlaceholderInfo of_event(std::string_view path, std::string_view type, Value example,
                         std::string summary) {
  const std::string name = "event." + std::string{path};
  return {.group = "event",
          .name = name,
          .path = "$." + name,
          .type = type,
          .example = std::move(example),
          .summary = std::move(summary)};
}

PlaceholderInfo of_secret(std::string_view name) {
  return {.group = "secret",
          .name = "secret." + std::string{name},
          .type = kTextHelp,
          .summary = "In headers, auth and the path and query of a URL; never in a body"};
}

std::string_view type_of(const Value& value) {
  if (value.text()) return kTextHelp;
  if (value.is_number()) return "number";
  if (value.list()) return "list";
  if (value.get_if<bool>()) return "flag";
  return kAny;
}

bool is_name_char(char c) { return is_name_character(c) || c == '.'; }

/// Collects the names in one file.
class FileNames {
 public:
  void take(const Tree& file) {
    for (const Tree::Entry& entry : file.entries) {
      if (entry.key == "tests")
        take_tests(entry.value);
      else
        walk(entry.value);
    }
  }

  std::vector<PlaceholderInfo> list() const {
    std::vector<PlaceholderInfo> infos;
    for (const auto& [name, example] : custom_) {
      PlaceholderInfo info = of_custom(name, example);
      info.type = type_of(example);
      infos.push_back(std::move(info));
    }
    for (const auto& [path, example] : events_)
      infos.push_back(of_event(path, type_of(example), example, "Data of an event"));
    for (const std::string& name : secrets_) infos.push_back(of_secret(name));
    return infos;
  }

 private:
  void walk(const Tree& tree) {
    if (tree.is_scalar()) take_text(tree.text);
    for (const Tree& item : tree.items) walk(item);
    for (const Tree::Entry& entry : tree.entries) {
      take_name(entry.key);
      walk(entry.value);
    }
  }

  /// Names between braces, a payload path, or a bare name ("custom.plan", "event.order.id").
  void take_text(std::string_view text) {
    if (text.starts_with("$.")) return take_name(text.substr(2));
    take_name(text);
    for (std::size_t open; (open = find_placeholder(text)) != std::string_view::npos;) {
      text.remove_prefix(open + kPlaceholderOpen.size());
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      std::size_t length = 0;
      while (length < text.size() && is_name_char(text[length])) ++length;
      take_name(text.substr(0, length));
    }
  }

  void take_name(std::string_view name) {
    if (name.size() > kPlaceholderNameMax) return;
    if (!std::all_of(name.begin(), name.end(), is_name_char) || name.ends_with('.')) return;
    for (const std::string_view root : {"contact.", "subscriber."})
      if (name.starts_with(root)) name.remove_prefix(root.size());
    const std::string rest{name.substr(std::min(name.find('.') + 1, name.size()))};
    if (rest.empty()) return;
    if (name.starts_with(kCustom))
      custom_.try_emplace(rest);
    else if (name.starts_with("event.") && rest != "type" && rest != "at")
      events_.try_emplace(rest);
    else if (name.starts_with("secret."))
      secrets_.insert(rest);
  }

  void take_tests(const Tree& tests) {
    for (const Tree& test : tests.items) {
      if (const auto* contact = test.find("contact")) take_contact(contact->value);
      const auto* events = test.find("events");
      if (!events) continue;
      for (const Tree& step : events->value.items) {
        if (const auto* contact = step.find("contact")) take_contact(contact->value);
        if (const auto* data = step.find("data")) take_data("", data->value);
      }
    }
  }

  void take_contact(const Tree& contact) {
    for (const Tree::Entry& entry : contact.entries) {
      if (entry.key.starts_with(kCustom))
        example(custom_, entry.key.substr(kCustom.size()), to_value(entry.value));
      if (entry.key != "custom") continue;
      for (const Tree::Entry& own : entry.value.entries)
        example(custom_, own.key, to_value(own.value));
    }
  }

  void take_data(const std::string& prefix, const Tree& data) {
    for (const Tree::Entry& entry : data.entries) {
      if (prefix.size() + entry.key.size() > kPlaceholderNameMax) continue;
      const std::string path = prefix + entry.key;
      if (entry.value.is_map())
        take_data(path + ".", entry.value);
      else
        example(events_, path, to_value(entry.value));
    }
  }

  using Examples = std::map<std::string, Value>;
  static void example(Examples& of, const std::string& name, Value value) {
    Value& known = of[name];
    if (known.is_null()) known = std::move(value);
  }

  Examples custom_, events_;
  std::set<std::string> secrets_;
};

Value text_or_null(const std::string& text) { return text.empty() ? Value{} : Value{text}; }
}  // namespace

std::vector<PlaceholderInfo> placeholders() {
  std::vector<PlaceholderInfo> infos;
  infos.push_back(of_contact("contact", "id"));
  std::vector<PlaceholderInfo> consent;
  for (const FieldInfo& info : contact_fields()) {
    const std::string name{info.name};
    if (name.starts_with("consent."))
      consent.push_back(of_contact("consent", name));
    else
      infos.push_back(of_contact("contact", name));
  }
  for (const std::string_view name : {"groups", "created_at", "updated_at"})
    infos.push_back(of_contact("contact", std::string{name}));
  infos.insert(infos.end(), std::make_move_iterator(consent.begin()),
               std::make_move_iterator(consent.end()));
  for (const std::string_view name : statistic_names())
    infos.push_back(of_contact("statistics", std::string{name}));
  infos.push_back(of_custom(kEllipsis, "gold"));
  infos.push_back(of_event("type", kTextHelp, "subscription", "The name of the event"));
  infos.push_back(of_event("at", "instant", "2026-05-01T09:00:00Z", "When it happened"));
  infos.push_back(of_event(kEllipsis, kAny, "newsletter",
                           "A value of the event's data, by its path: event.order.total"));
  infos.push_back({.group = "run",
                   .name = "run.id",
                   .path = "$.run.id",
                   .type = kTextHelp,
                   .example = "run_00000000000G0",
                   .summary = "The contact's journey"});
  infos.push_back({.group = "scenario",
                   .name = "scenario.id",
                   .path = "$.scenario.id",
                   .type = kTextHelp,
                   .example = "welcome",
                   .summary = "The scenario's id"});
  infos.push_back({.group = "scenario",
                   .name = "scenario.title",
                   .path = "$.scenario.title",
                   .type = kTextHelp,
                   .example = "Welcome new newsletter readers",
                   .summary = "Its title"});
  infos.push_back(of_secret(kEllipsis));
  return infos;
}

std::vector<PlaceholderInfo> placeholders_in(const Tree& file) {
  FileNames names;
  names.take(file);
  return names.list();
}

Value to_value(const PlaceholderInfo& info) {
  return ValueMap{{"group", info.group},
                  {"name", info.name},
                  {"placeholder", "{{ " + info.name + " }}"},
                  {"path", text_or_null(info.path)},
                  {"field", text_or_null(info.field)},
                  {"webhook", text_or_null(info.webhook)},
                  {"type", info.type},
                  {"example", info.example},
                  {"summary", info.summary}};
}
}  // namespace onward
