#include "tests/fuzz/target.h"

namespace onward {
Awkward::Awkward() : now{parse_instant("2026-05-01T09:00:00Z").value()} {
  contact.id = ExternalId{"c1\r\nX-Evil: yes"};
  contact.set(Field::Email, "jane\"{{ secret.crm_key }}@example.org");
  contact.set(Field::FirstName, "a/b?c=d&e#f %00 \x01key\x02");
  contact.custom = {{"plan", "{{ contact.email }}"}, {"seats", std::int64_t{-9007199254740993}}};
  event.type = "order";
  event.at = now;
  event.data = Value{ValueMap{{"total", 1e300},
                              {"lines", ValueList{Value{1}, Value{"\n"}, Value{}}},
                              {"order", ValueMap{{"id", "</script>"}}}}};
}
}  // namespace onward
