#pragma once
// Events in the envelopes of other systems, read into those of POST /v1/events. Pure. What each
// accepts and where it goes: docs/intake.md.
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/event_json.h"
#include "engine/api/http.h"
#include "engine/core/base/result.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/contact.h"

namespace onward {
/// Seed S3: `{"events": [{"action", "action_date", "action_data", "list_id", "contact"}]}`.
Result<EventPost> parse_egoi(std::string_view body, Instant now, bool history);

/// Seed S0: one `{"type", "subscriber", "event"}`, a list of them, or `{"events": […]}`.
Result<EventPost> parse_taguchi(std::string_view body, Instant now, bool history);

/// CloudEvents 1.0 over HTTP: structured, batched or binary, as the request's headers say. A
/// content type that is none of these is `unsupported_media_type`.
Result<EventPost> parse_cloudevents(const ApiRequest& request, Instant now, bool history);
/// Whether the body alone holds the events, as in the structured and the batched form.
bool is_cloudevents_document(const ApiRequest& request);
/// The type of an event by that of a CloudEvent: a name as it is, or a reverse-DNS name without its
/// domain and version, in snake_case: "com.example.order.placed.v1" is "order_placed" and so
/// "new_order".
Result<std::string> type_of_cloudevent(std::string_view type);

/// What another system says of a contact: members that are fields of ours by any of their names are
/// read as such, everything else becomes a custom field of its name (dots become "_"). An empty
/// text of a field clears it, a number is taken for its text where a text is wanted. `id`, where it
/// is not null, is the contact's; ids among `members` are the caller's to take out.
Result<ContactInput> read_foreign_contact(
    const Value& id, const std::vector<std::pair<std::string, Value>>& members);

/// Fails where an item of a list of events is no object.
Status check_event_object(const Value& item);
/// `input` with the contact that it is about, and with an id made of the canonical bytes of `item`,
/// which become its fingerprint as well, so that an item that is sent again is a repeat. The first
/// error is returned: that of the contact, or `event_too_large`.
Result<EventInput> complete_event(EventInput input, Result<ContactInput> contact,
                                  const Value& item);
}  // namespace onward
