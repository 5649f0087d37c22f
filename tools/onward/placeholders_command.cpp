// placeholders: every name that an author may use for a value.
#include <fmt/format.h>

#include "engine/authoring/yaml_reader.h"
#include "engine/core/template/placeholders.h"
#include "tools/onward/commands.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
StyledText table_of(const std::vector<PlaceholderInfo>& infos, std::string_view group,
                    std::size_t width) {
  Table table{{{"placeholder"},
               {"payload path"},
               {"contact_fields"},
               {"in the body"},
               {"type"},
               {"example", Align::Left, true}}};
  for (const PlaceholderInfo& info : infos) {
    if (info.group != group) continue;
    table.add({"{{ " + info.name + " }}", info.path, info.field,
               info.webhook.empty() ? "" : "data." + info.webhook, std::string{info.type},
               info.example.is_null() ? "" : to_json(info.example)});
  }
  return StyledText{group} + "\n" + table.text(width);
}
}  // namespace

StyledText placeholders_text(const std::vector<PlaceholderInfo>& infos, std::size_t width) {
  StyledText out;
  std::string_view group;
  for (const PlaceholderInfo& info : infos) {
    if (info.group == group) continue;
    group = info.group;
    if (!out.empty()) out += "\n";
    out += table_of(infos, group, width);
  }
  return out;
}

int run_placeholders(const std::string& file, bool json) {
  std::vector<PlaceholderInfo> infos = placeholders();
  if (!file.empty()) {
    const auto text = read_input(file);
    if (!text) return complain(text.error());
    Diagnostics faults;
    const auto tree = read_yaml(*text, faults);
    if (!tree)
      return complain(fmt::format("{} is no scenario file; `onward validate` says why.", file),
                      kExitData);
    // Behind the general row of their group.
    for (PlaceholderInfo& own : placeholders_in(*tree)) {
      auto place = infos.end();
      while (place != infos.begin() && std::prev(place)->group != own.group) --place;
      infos.insert(place, std::move(own));
    }
  }
  if (!json) {
    print(placeholders_text(infos, terminal_width()));
    return kExitOk;
  }
  ValueList list;
  for (const PlaceholderInfo& info : infos) list.push_back(to_value(info));
  print_json(Value{ValueMap{{"placeholders", std::move(list)}}});
  return kExitOk;
}
}  // namespace onward
