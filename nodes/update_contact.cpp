#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <variant>

#include "engine/core/base/clipped.h"
#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/custom_prefix.h"
#include "engine/core/template/lookup.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
constexpr std::size_t kNoteMax = 200;
constexpr std::size_t kFieldMax = 64 * 1024;  // as parse_contact has it
constexpr std::string_view kInputTooLarge = "input_too_large";

bool has_placeholder_inside(const Tree& tree) {
  return has_placeholder(tree.text) ||
         std::any_of(tree.items.begin(), tree.items.end(), has_placeholder_inside) ||
         std::any_of(tree.entries.begin(), tree.entries.end(),
                     [](const Tree::Entry& entry) { return has_placeholder_inside(entry.value); });
}

/// One part of the change that the node makes: a field, or groups.
struct Part {
  std::string name;  ///< "first_name", "custom.tier", "groups_add"
  std::optional<FieldType> type;
  std::variant<ContactPatch, Template> what;  ///< Ready, or to be rendered.
  std::size_t bytes = 0;                      ///< Of a ready patch, about.
};

/// A value as its field holds it: what a door would refuse only for its form is brought into it.
/// A time without an offset is one in `zone`.
Value fitted(Value value, const std::optional<FieldType>& type, std::string_view zone) {
  const bool moment = value.get_if<Date>() || value.get_if<Instant>();
  if (!type) return moment ? Value{to_text(value)} : value;  // fields of your own are JSON
  if (*type == FieldType::Text && (moment || value.is_number() || value.get_if<bool>()))
    return to_text(value);
  if (*type == FieldType::Date)
    if (const auto* instant = value.get_if<Instant>()) return to_local(*instant, zone).date;
  if (*type == FieldType::Instant && value.text())
    if (const auto instant = parse_instant_in(*value.text(), zone)) return *instant;
  return value;
}

/// The same checks as at the door: types, addresses, zones, lengths.
Result<ContactPatch> to_patch(const std::string& name, Value value) {
  auto read = parse_contact(ValueMap{{name, std::move(value)}});
  if (!read) return tl::make_unexpected(read.error());
  return std::move(read->patch);
}

void append_change(ContactPatch& patch, const ContactPatch& part) {
  const auto take = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  take(patch.fields, part.fields);
  take(patch.custom, part.custom);
  take(patch.groups_add, part.groups_add);
  take(patch.groups_remove, part.groups_remove);
}

/// Changes the contact, and lets it go on at once.
class UpdateContact final : public Node {
 public:
  explicit UpdateContact(Settings& settings) {
    if (const Tree* set = settings.find("set")) read_set(settings, *set);
    for (const char* key : {"groups_add", "groups_remove"})
      if (const Tree* tree = settings.find(key)) read_groups(settings, key, *tree);
    if (!settings.has("set") && !settings.has("groups_add") && !settings.has("groups_remove"))
      settings.error(settings.at(), "missing_key",
                     "wants \"set\", \"groups_add\" or \"groups_remove\", to say what changes");
  }

  Outcome enter(const Visit& visit) const override {
    WorkBudget own{kInputRenderMax};
    WorkBudget& room = visit.room == nullptr ? own : *visit.room;
    const std::string run = format_run(visit.run);
    const TemplateSubject subject = visit.template_subject(run, room);
    Outcome outcome = leave_by("next");
    ContactPatch patch;
    for (const Part& part : parts_) {
      const auto* ready = std::get_if<ContactPatch>(&part.what);
      if (room.left() == 0 || (ready && !room.spend(part.bytes))) {
        outcome.too_much_work = true;
        add_note(outcome.note,
                 fmt::format("{}: \"{}\" and what follows is left", kInputTooLarge, part.name));
        break;
      }
      if (ready)
        append_change(patch, *ready);
      else
        render(part, subject, visit.timezone, patch, outcome.note);
    }
    if (!patch.empty()) outcome.patch = std::move(patch);
    return outcome;
  }

 private:
  void read_set(Settings& settings, const Tree& set) {
    if (!set.is_map() || set.entries.empty()) {
      settings.error(
          set.at, "wrong_type",
          "\"set\" wants fields and their values, such as { custom.tier: gold }, found " +
              describe(set));
      return;
    }
    std::unordered_map<std::string, std::string_view> taken;  // field -> as its author named it
    for (const Tree::Entry& entry : set.entries) {
      auto part = read_field(settings, entry);
      if (!part) continue;
      const auto [earlier, fresh] = taken.try_emplace(part->name, entry.key);
      if (!fresh)
        settings.error(entry.key_at, "name_taken",
                       fmt::format("\"set\": \"{}\" and \"{}\" are one field",
                                   clipped(earlier->second), clipped(entry.key)));
      parts_.push_back(*std::move(part));
    }
  }

  std::optional<Part> read_field(Settings& settings, const Tree::Entry& entry) {
    Part part{.name = {}, .type = std::nullopt, .what = ContactPatch{}};
    if (!read_name(settings, entry, part)) return std::nullopt;
    const Tree& tree = entry.value;
    const std::string what =
        fmt::format("node \"{}\": \"set\": \"{}\"", settings.node(), clipped(entry.key));
    if (tree.is_scalar() && has_placeholder(tree.text)) {
      part.what = Template::compile(tree.text, tree.text_at, TemplateUse::Body, what,
                                    settings.diagnostics());
      return part;
    }
    if (has_placeholder_inside(tree)) {
      settings.error(tree.at, "wrong_type",
                     fmt::format("\"set\": \"{}\" wants a placeholder as its whole value, not in a "
                                 "list or mapping",
                                 clipped(entry.key)));
      return std::nullopt;
    }
    // As text where the field is one: a postal code of digits stays what was written.
    Value value = tree.is_scalar() && part.type ? Value{tree.text} : to_value(tree);
    auto patch =
        to_patch(part.name, fitted(std::move(value), part.type, settings.context().timezone));
    if (!patch) {
      settings.error(tree.at, "wrong_type",
                     fmt::format("\"set\": {} ({})", patch.error().message, describe(tree)));
      return std::nullopt;
    }
    part.bytes = entry.key.size() + size_of(tree);
    part.what = *std::move(patch);
    return part;
  }

  /// Bytes of what is written below a list or mapping, about.
  static std::size_t size_of(const Tree& tree) {
    std::size_t bytes = tree.text.size();
    for (const Tree& item : tree.items) bytes += size_of(item);
    for (const Tree::Entry& entry : tree.entries) bytes += entry.key.size() + size_of(entry.value);
    return bytes;
  }

  /// False where it has reported that there is no such field, or none that can be set.
  static bool read_name(Settings& settings, const Tree::Entry& entry, Part& part) {
    std::string_view name = entry.key;
    if (name.starts_with("contact.")) name.remove_prefix(8);
    if (const FieldInfo* info = find_field(name)) {
      part.name = info->name;
      part.type = info->type;
      return true;
    }
    const auto lookup = find_contact_lookup(name);
    if (lookup && lookup->source == Lookup::Source::Custom) {
      if (lookup->rest.empty() && !lookup->name.empty()) {
        part.name = std::string{kCustom} + lookup->name;
        note_custom_field(*lookup, entry.key_at, settings.diagnostics());
        return true;
      }
      settings.error(entry.key_at, "bad_path",
                     fmt::format("\"set\": \"{}\" is a part of \"custom.{}\"; a field is set as a "
                                 "whole",
                                 clipped(entry.key), clipped(lookup->name)));
      return false;
    }
    if (name == "groups" || name == "groups_add" || name == "groups_remove") {
      settings.error(entry.key_at, "misplaced_key",
                     "\"set\": groups are changed by \"groups_add\" and \"groups_remove\", beside "
                     "\"set\"");
    } else if (lookup) {
      settings.error(entry.key_at, "read_only_field",
                     fmt::format("\"set\": \"{}\" cannot be set{}", clipped(entry.key),
                                 why_not(lookup->source)));
    } else {
      settings.error(entry.key_at, "unknown_field",
                     fmt::format("\"set\": unknown field \"{}\"; fields of your own are custom.…",
                                 clipped(entry.key)),
                     settings.nearest(name, contact_names()));
    }
    return false;
  }

  static std::string_view why_not(Lookup::Source source) {
    if (source == Lookup::Source::Id) return "; an id says who a contact is, for good";
    if (source == Lookup::Source::Ref) return "; write \"custom.ref\"";
    if (source == Lookup::Source::AllCustom) return " as a whole; write \"custom.\" and a name";
    return ", it is kept by the server";
  }

  void read_groups(Settings& settings, const std::string& key, const Tree& tree) {
    const auto take = [&](const Tree& item) {
      Part part{.name = key, .type = std::nullopt, .what = ContactPatch{}};
      if (!item.is_scalar()) {
        settings.error(item.at, "wrong_type",
                       fmt::format("\"{}\" wants the name of a group or a list of names, found {}",
                                   key, describe(item)));
        return;
      }
      if (has_placeholder(item.text)) {
        part.what = Template::compile(item.text, item.text_at, TemplateUse::Body,
                                      fmt::format("node \"{}\": \"{}\"", settings.node(), key),
                                      settings.diagnostics());
      } else if (auto patch = to_patch(key, ValueList{item.text})) {
        part.bytes = item.text.size();
        part.what = *std::move(patch);
      } else {
        settings.error(item.at, "wrong_type",
                       fmt::format("{}, found {}", patch.error().message, describe(item)));
        return;
      }
      parts_.push_back(std::move(part));
    };
    if (!tree.is_list() || tree.items.empty()) return take(tree);
    for (const Tree& item : tree.items) take(item);
  }

  /// What does not fit is left as it is, and noted: the run goes on.
  static void render(const Part& part, const TemplateSubject& subject, std::string_view zone,
                     ContactPatch& patch, std::string& note) {
    const bool group = part.name.starts_with("groups_");
    auto rendered = value_of(std::get<Template>(part.what), subject, group);
    if (!rendered)
      return add_note(note, fmt::format("\"{}\" is longer than 64 KiB and is left", part.name));
    Value value = *std::move(rendered);
    if (value.is_null() || (group && to_text(value).empty()))
      return add_note(note, fmt::format("\"{}\" is left: nothing to set it to", part.name));
    if (group) {
      if (!value.list()) value = ValueList{to_text(value)};
    } else {
      value = fitted(std::move(value), part.type, zone);
    }
    if (auto fits = to_patch(part.name, std::move(value)))
      append_change(patch, *fits);
    else
      add_note(note, fmt::format("{} and is left", fits.error().message));
  }

  /// Nothing where it is longer than a field may be: then it is not copied either.
  static std::optional<Value> value_of(const Template& text, const TemplateSubject& subject,
                                       bool group) {
    std::string out;
    if (!text.is_value()) {
      const bool fits = text.render_to(out, subject, kFieldMax);
      subject.room->charge(out.size());
      return fits ? std::optional{Value{std::move(out)}} : std::nullopt;
    }
    Value scratch;
    const Value& value = text.find_value(subject, scratch);
    // Groups are checked one by one.
    const std::size_t most = group ? kInputRenderMax : kFieldMax;
    const std::string* plain = value.text();
    const bool fits = plain ? plain->size() <= most : append_json(out, value, most);
    subject.room->charge(plain ? plain->size() : out.size());
    return fits ? std::optional{value} : std::nullopt;
  }

  static void add_note(std::string& note, std::string_view sentence) {
    if (note.size() + sentence.size() + 2 > kNoteMax) return;
    if (!note.empty()) note += "; ";
    note += sentence;
  }

  std::vector<Part> parts_;
};
}  // namespace

NodeKind update_contact_kind() {
  return {
      .name = "update_contact",
      .family = NodeFamily::Action,
      .summary = "Changes fields and groups of the contact, which goes on at once.",
      .settings = {{"set",
                    SettingType::Map,
                    "Fields and values: { custom.tier: gold, first_name: \"{{ event.name }}\" }",
                    false,
                    {},
                    R"({"type": "object", "minProperties": 1})"},
                   {"groups_add", SettingType::TextList, "Groups to join: [vip]"},
                   {"groups_remove", SettingType::TextList, "Groups to leave: [lead]"}},
      .make = make_node<UpdateContact>};
}
}  // namespace onward
