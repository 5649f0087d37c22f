#include "engine/api/schemas.h"

#include <cassert>
#include <iterator>

#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/scenario/run_state.h"

namespace onward {
namespace {
struct Row {
  std::string_view name;
  std::string_view schema;
};

// In the order of the document. Answers say what is always there ("required"); they may grow.
// "words" stands for the words of an enumeration (read_schema).
constexpr Row kRows[] = {
    {"Problem", R"({"type": "object",
      "description": "Why a request was refused (RFC 9457). The code is stable.",
      "required": ["type", "title", "status", "detail", "code"],
      "properties": {
        "type": {"type": "string", "description": "urn:onward:problem: and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For a person."},
        "code": {"type": "string"},
        "retry_after": {"type": "integer", "description": "Seconds; with 429 and 503."},
        "incident": {"type": "string",
          "description": "With internal_error: the id under which the server's log has the cause."},
        "diagnostics": {"type": "array", "items": {"$ref": "#/components/schemas/Diagnostic"},
          "description": "With bad_scenario: every mistake."},
        "text": {"type": "string", "description": "The diagnostics in lines for people."}}})"},
    {"Diagnostic", R"({"type": "object",
      "required": ["severity", "line", "column", "code", "message"],
      "properties": {
        "severity": {"enum": ["error", "warning"]},
        "line": {"type": "integer"},
        "column": {"type": "integer"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "nearest": {"type": "string", "description": "The known name nearest to a wrong one."}}})"},
    {"Status", R"({"type": "object", "required": ["status"],
      "properties": {"status": {"type": "string"},
        "sending": {"enum": ["on", "held"], "description": "Of /readyz; held: see /v1/sending."}}})"},
    {"Clock", R"({"type": "object", "required": ["clock", "now", "wall"],
      "properties": {"clock": {"enum": ["trusted", "held", "uncertain"],
          "description": "held: the machine's clock was moved and is not followed yet. uncertain: at a start it was far from the newest stored time, so nothing ends, fails or is deleted for its time yet."},
        "now": {"type": "string", "format": "date-time", "description": "The time that the server goes by."},
        "wall": {"type": "string", "format": "date-time", "description": "What the machine's clock shows."},
        "held_until": {"type": "string", "format": "date-time"},
        "uncertain_until": {"type": "string", "format": "date-time"}}})"},
    {"Sending", R"({"type": "object", "required": ["sending"],
      "properties": {"sending": {"enum": ["on", "held"]},
        "held_since": {"type": "string", "format": "date-time",
          "description": "When the copy was restored; while nothing is sent."},
        "pending": {"type": "integer", "description": "Requests that are not settled."}}})"},

    {"Event", R"({"type": "object", "required": ["type", "contact"],
      "description": "Something a contact did, or that happened to one.",
      "properties": {
        "id": {"type": ["string", "integer", "null"], "maxLength": 256,
          "description": "The sender's own: it takes effect once per source."},
        "source": {"type": ["string", "integer", "null"], "maxLength": 256},
        "type": {"type": "string", "description": "subscription, opened, an alias of another system, or any name of small letters, digits and _."},
        "at": {"type": ["string", "null"], "format": "date-time",
          "description": "When it happened; now where absent."},
        "contact": {"$ref": "#/components/schemas/ContactPatch"},
        "data": {"type": ["object", "null"], "description": "What the event tells."}},
      "additionalProperties": false,
      "example": {"id": "signup-1", "source": "shop", "type": "subscription",
        "contact": {"id": "c1", "email": "jane@example.org", "first_name": "Jane"},
        "data": {"form": "newsletter"}}})"},
    {"Events", R"({"oneOf": [{"$ref": "#/components/schemas/Event"},
      {"type": "array", "minItems": 1, "maxItems": 10000,
       "items": {"$ref": "#/components/schemas/Event"}}]})"},
    {"EventsTaken", R"({"type": "object",
      "description": "What became of a post: what is counted here is durable.",
      "required": ["accepted", "duplicates", "rejected", "warnings", "errors"],
      "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {"type": "integer"},
        "warnings": {"type": "array", "items": {"type": "object", "required": ["index", "code"],
          "properties": {"index": {"type": "integer"}, "line": {"type": "integer"},
            "id": {"type": "string"}, "code": {"type": "string"}}}},
        "errors": {"type": "array", "items": {"type": "object",
          "required": ["index", "code", "message"],
          "properties": {"index": {"type": "integer", "description": "From 0."},
            "line": {"type": "integer", "description": "From 1, where events come a line each."},
            "id": {"type": "string"}, "code": {"type": "string"},
            "message": {"type": "string"},
            "incident": {"type": "string", "description": "With internal_error."}}}}}})"},

    {"EgoiEvents", R"({"type": "object", "required": ["events"], "properties": {
      "events": {"type": "array", "minItems": 1, "maxItems": 10000, "items": {"type": "object",
        "required": ["action", "contact"], "properties": {
          "action": {"type": "string"},
          "action_date": {"type": ["integer", "number", "string", "null"],
            "description": "Seconds since 1970, or RFC 3339; now where absent."},
          "action_data": {"type": ["object", "array", "null"],
            "description": "messageHash, order, goal, cart or product_id: the event's data."},
          "list_id": {"type": ["string", "integer", "null"]},
          "contact": {"type": "object", "properties": {
            "base": {"type": "array", "maxItems": 1, "items": {"type": ["string", "integer"]}},
            "fields": {"type": "array", "items": {"type": "object"}}}}}}}},
      "example": {"events": [{"action": "email_open", "action_date": 1777626000,
        "action_data": {"messageHash": "a1a1"}, "list_id": "1",
        "contact": {"base": ["a1"], "fields": [{"uid": "a1", "email": "jane@example.org"}]}}]}})"},
    {"TaguchiEvent", R"({"type": "object", "required": ["type", "subscriber"], "properties": {
      "type": {"type": "string", "description": "A code such as u, or its name; may stand in event."},
      "subscriber": {"type": "object", "description": "id, ref, email, phone, firstname, lastname, organizationId and fields of your own."},
      "event": {"type": ["object", "null"], "description": "loggedTimestamp, campaignId and whatever else the event tells."}},
      "example": {"type": "u", "subscriber": {"id": 54321, "email": "jane@example.org"},
        "event": {"loggedTimestamp": "2026-05-01T09:00:00Z", "campaignId": 42}}})"},
    {"TaguchiEvents", R"({"oneOf": [{"$ref": "#/components/schemas/TaguchiEvent"},
      {"type": "array", "minItems": 1, "maxItems": 10000,
       "items": {"$ref": "#/components/schemas/TaguchiEvent"}},
      {"type": "object", "required": ["events"], "properties": {"events": {"type": "array",
       "minItems": 1, "maxItems": 10000,
       "items": {"$ref": "#/components/schemas/TaguchiEvent"}}}}]})"},
    {"CloudEvent", R"({"type": "object", "required": ["specversion", "id", "source", "type"],
      "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256},
        "source": {"type": "string", "minLength": 1, "maxLength": 256},
        "type": {"type": "string", "minLength": 1,
          "description": "An event type, or a reverse-DNS name that ends with one."},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "subject": {"type": ["string", "null"],
          "description": "The contact: its id, or its address."},
        "datacontenttype": {"type": ["string", "null"]},
        "data": {"type": ["object", "null"], "additionalProperties": true, "properties": {
          "contact": {"$ref": "#/components/schemas/ContactPatch"}}},
        "data_base64": {"type": ["string", "null"]}},
      "example": {"specversion": "1.0", "id": "1", "source": "/shop",
        "type": "com.example.order.placed", "subject": "jane@example.org",
        "data": {"total": 25}}})"},
    {"CloudEvents", R"({"type": "array", "maxItems": 10000,
      "items": {"$ref": "#/components/schemas/CloudEvent"}})"},

    {"ListedContact", R"({"type": "object",
      "description": "A Contact; its statistics only where they were asked for.",
      "required": ["groups", "created_at", "updated_at"], "properties": {
        "groups": {"type": "array", "items": {"type": "string"}},
        "created_at": {"type": "string", "format": "date-time"},
        "updated_at": {"type": "string", "format": "date-time"}}})"},
    {"Contacts", R"({"type": "object", "required": ["contacts", "next"], "properties": {
      "contacts": {"type": "array", "items": {"$ref": "#/components/schemas/ListedContact"}},
      "next": {"type": ["string", "null"], "description": "The cursor of the next page."}}})"},
    {"ContactsImported", R"({"type": "object",
      "description": "What became of the rows: what is counted here is durable, but for a dry run.",
      "required": ["created", "updated", "unchanged", "refused", "dry_run", "warnings", "errors"],
      "properties": {
        "created": {"type": "integer"},
        "updated": {"type": "integer"},
        "unchanged": {"type": "integer"},
        "refused": {"type": "integer"},
        "dry_run": {"type": "boolean"},
        "warnings": {"type": "array", "items": {"type": "object",
          "required": ["index", "line", "code"], "properties": {"index": {"type": "integer"},
            "line": {"type": "integer"}, "code": {"type": "string"}}}},
        "errors": {"type": "array", "items": {"type": "object",
          "required": ["index", "line", "code", "message"],
          "properties": {"index": {"type": "integer", "description": "From 0, below the header."},
            "line": {"type": "integer", "description": "From 1, of the body."},
            "column": {"type": "string"}, "code": {"type": "string"},
            "message": {"type": "string"}}}}}})"},
    {"CustomField", R"({"type": "object", "required": ["name", "type", "summary"], "properties": {
      "name": {"type": "string"},
      "type": {"enum": ["text", "number", "date", "instant", "flag", "list"]},
      "summary": {"type": "string"}}})"},
    {"CustomFieldDeclaration", R"({"type": "object", "required": ["type"], "properties": {
      "type": {"enum": ["text", "number", "date", "instant", "flag", "list"]},
      "summary": {"type": ["string", "null"], "description": "What it holds, for people."}}})"},
    {"CustomFields", R"({"type": "object", "required": ["declared", "fields"], "properties": {
      "declared": {"type": "boolean",
        "description": "Whether only declared custom fields are taken."},
      "fields": {"type": "array", "items": {"$ref": "#/components/schemas/CustomField"}}}})"},

    {"Run", R"({"type": "object", "description": "One journey of a contact.",
      "required": ["id", "scenario", "version", "test", "state", "started", "ended", "wake_at", "path"],
      "properties": {
        "id": {"type": "string"},
        "scenario": {"type": "string"},
        "version": {"type": "integer"},
        "test": {"type": "boolean"},
        "state": {"words": "RunState"},
        "started": {"type": "string", "format": "date-time"},
        "ended": {"type": ["string", "null"], "format": "date-time"},
        "wake_at": {"type": ["string", "null"], "format": "date-time"},
        "reason": {"type": "string"},
        "key": {"type": "string"},
        "contact": {"type": "string", "description": "In lists of all contacts."},
        "path": {"type": "array", "items": {"type": "object", "required": ["node", "at", "port"],
          "properties": {"node": {"type": "string"},
            "at": {"type": "string", "format": "date-time"},
            "port": {"type": ["string", "null"]}, "delivery": {"type": "string"},
            "delivery_state": {"words": "DeliveryState"},
            "delivery_parked": {"type": "boolean"}, "delivery_reason": {"type": "string"},
            "note": {"type": "string"}}}}}})"},
    {"Runs", R"({"type": "object", "required": ["runs", "next"], "properties": {
      "runs": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}},
      "refused": {"type": "array", "description": "Entries refused to the contact.",
        "items": {"type": "object", "required": ["scenario", "test", "reason", "count", "last"],
          "properties": {"scenario": {"type": "string"}, "test": {"type": "boolean"},
            "reason": {"type": "string"}, "count": {"type": "integer"},
            "last": {"type": "string", "format": "date-time"}}}},
      "next": {"type": ["string", "null"], "description": "The cursor of the next page."}}})"},

    {"Scenario", R"({"type": "object",
      "required": ["scenario", "title", "state", "version", "format", "test_emails", "created", "activated", "archived", "purged", "changed", "next", "entered", "inside", "pending", "failed", "progress", "versions"],
      "properties": {
        "scenario": {"type": "string"},
        "title": {"type": "string"},
        "state": {"words": "ScenarioState"},
        "version": {"type": "integer", "description": "The newest."},
        "format": {"type": "integer", "description": "The number of the rules that checked it."},
        "test_emails": {"type": "array", "items": {"type": "string"},
          "description": "In test mode, the addresses let in."},
        "created": {"type": "string", "format": "date-time"},
        "activated": {"type": ["string", "null"], "format": "date-time"},
        "archived": {"type": ["string", "null"], "format": "date-time"},
        "purged": {"type": ["string", "null"], "format": "date-time"},
        "changed": {"type": "string", "format": "date-time",
          "description": "Its newest version, or its last change of life."},
        "next": {"type": ["object", "null"], "required": ["what", "at"],
          "description": "What it will do by itself.",
          "properties": {"what": {"enum": ["start", "hold", "archive"]},
            "at": {"type": "string", "format": "date-time"}}},
        "entered": {"type": "integer", "description": "Live traffic of all versions, as the following."},
        "inside": {"type": "integer"},
        "pending": {"type": "integer"},
        "failed": {"type": "integer"},
        "progress": {"$ref": "#/components/schemas/Progress"},
        "versions": {"type": "array", "items": {"type": "object",
          "required": ["version", "created"],
          "properties": {"version": {"type": "integer"},
            "created": {"type": "string", "format": "date-time"}}}},
        "warnings": {"type": "array", "items": {"type": "string"},
          "description": "Of an activation: nodes whose URL this server's policy refuses."},
        "text": {"type": "string", "description": "The newest version's YAML."}}})"},
    {"Placeholders", R"({"type": "object", "required": ["placeholders"], "properties": {
      "placeholders": {"type": "array", "items": {"type": "object",
        "required": ["group", "name", "placeholder", "type", "summary"], "properties": {
          "group": {"type": "string"}, "name": {"type": "string"},
          "placeholder": {"type": "string", "example": "{{ contact.first_name }}"},
          "path": {"type": ["string", "null"], "description": "In a payload."},
          "field": {"type": ["string", "null"], "description": "In contact_fields."},
          "webhook": {"type": ["string", "null"], "description": "In data of the standard body."},
          "type": {"type": "string"}, "example": {"description": "A value of it."},
          "summary": {"type": "string"}}}}}})"},
    {"Scenarios", R"({"type": "object", "required": ["scenarios"], "properties": {
      "scenarios": {"type": "array", "items": {"$ref": "#/components/schemas/Scenario"}}}})"},
    {"Progress", R"({"type": ["object", "null"], "required": ["what"],
      "description": "Work on all of its runs or deliveries that is under way.",
      "properties": {
        "what": {"enum": ["migrate", "purge", "cancel"]},
        "cancelled": {"type": "integer", "description": "Pending deliveries, by an archive with cancel_pending."},
        "to": {"type": "integer", "description": "The version that runs go over to."},
        "moved": {"type": "integer"},
        "stayed": {"type": "integer", "description": "Could not go over; finish where they are."},
        "stopped": {"type": "integer", "description": "Live runs that were ended first."},
        "purged": {"type": "integer"}}})"},
    {"Versions", R"({"type": "object", "required": ["scenario", "state", "progress", "versions"],
      "properties": {
        "scenario": {"type": "string"},
        "state": {"type": "string"},
        "progress": {"$ref": "#/components/schemas/Progress"},
        "versions": {"type": "array", "description": "Newest first.", "items": {"type": "object",
          "required": ["version", "created", "format", "nodes", "newest", "entered", "inside", "test_inside"],
          "properties": {"version": {"type": "integer"},
            "created": {"type": "string", "format": "date-time"},
            "format": {"type": "integer", "description": "The number of the rules that checked it."},
            "nodes": {"type": "integer", "description": "0 where the text cannot be read any more."},
            "newest": {"type": "boolean"},
            "entered": {"type": "integer"},
            "inside": {"type": "integer", "description": "Live runs on it."},
            "test_inside": {"type": "integer"}}}}}})"},
    {"VersionText", R"({"type": "object",
      "required": ["scenario", "version", "created", "format", "text"],
      "properties": {
        "scenario": {"type": "string"},
        "version": {"type": "integer"},
        "created": {"type": "string", "format": "date-time"},
        "format": {"type": "integer", "description": "The number of the rules that checked it."},
        "text": {"type": "string", "description": "YAML, byte for byte."}}})"},
    {"KeyChange", R"({"type": "object", "required": ["change", "key"], "properties": {
      "change": {"enum": ["added", "removed", "changed"]},
      "key": {"type": "string", "description": "headers.X-Api-Key: member by member."},
      "from": {}, "to": {}}})"},
    {"Diff", R"({"type": "object", "required": ["keys", "nodes"], "properties": {
      "keys": {"type": "array", "items": {"$ref": "#/components/schemas/KeyChange"}},
      "nodes": {"type": "array", "items": {"type": "object",
        "required": ["change", "id", "kind", "keys", "edges"],
        "properties": {
          "change": {"enum": ["added", "removed", "changed"]},
          "id": {"type": "string"},
          "kind": {"type": "string"},
          "keys": {"type": "array", "items": {"$ref": "#/components/schemas/KeyChange"}},
          "edges": {"type": "array", "items": {"type": "object", "required": ["port", "from", "to"],
            "properties": {"port": {"type": "string"},
              "from": {"type": ["string", "null"]},
              "to": {"type": ["string", "null"]}}}}}}}}})"},
    {"Plan", R"({"type": "object", "description": "What an apply would do.",
      "required": ["scenario", "state", "created", "changes", "refused", "from", "to", "diagnostics", "diff", "inside", "places", "inserted", "notes", "stranded"],
      "properties": {
        "scenario": {"type": "string"},
        "state": {"type": "string", "description": "After it."},
        "created": {"type": "boolean"},
        "changes": {"type": "boolean", "description": "A new version would be made."},
        "refused": {"type": "boolean", "description": "The file has mistakes: see diagnostics."},
        "from": {"type": ["integer", "null"]},
        "to": {"type": ["integer", "null"]},
        "diagnostics": {"type": "array", "items": {"$ref": "#/components/schemas/Diagnostic"}},
        "diff": {"$ref": "#/components/schemas/Diff"},
        "inside": {"type": "integer", "description": "Runs under way on older versions."},
        "places": {"type": "array", "items": {"type": "object",
          "required": ["node", "waiting", "kept"],
          "properties": {"node": {"type": "string"}, "waiting": {"type": "integer"},
            "kept": {"type": "boolean", "description": "The new version has it."}}}},
        "inserted": {"type": "array", "items": {"type": "object",
          "required": ["node", "past", "ahead"],
          "properties": {"node": {"type": "string"},
            "past": {"type": "integer", "description": "Will never see it."},
            "ahead": {"type": "integer", "description": "Would see it if they were moved."}}}},
        "notes": {"type": "array", "items": {"type": "string"}},
        "stranded": {"type": "array", "items": {"type": "string"},
          "description": "Why a migration would be refused."}}})"},
    {"Applied", R"({"type": "object",
      "required": ["scenario", "state", "version", "changed", "migrating", "warnings"],
      "properties": {
        "scenario": {"type": "string"},
        "state": {"words": "ScenarioState"},
        "version": {"type": "integer"},
        "changed": {"type": "boolean", "description": "False where the same text was there."},
        "migrating": {"type": "boolean", "description": "Runs under way are going over now."},
        "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Diagnostic"}}}})"},
    {"Activation", R"({"type": "object", "additionalProperties": false, "properties": {
      "test_emails": {"type": ["array", "null"], "maxItems": 100,
        "items": {"type": "string", "format": "email", "maxLength": 320},
        "description": "Only contacts with these addresses are let in; empty or absent: all."}}})"},
    {"Archival", R"({"type": "object", "additionalProperties": false, "properties": {
      "cancel_pending": {"type": "boolean", "default": false,
        "description": "Take back requests that are not sent yet."}}})"},
    {"Duplication", R"({"type": "object", "required": ["id"], "additionalProperties": false,
      "properties": {"id": {"type": "string", "description": "Of the new scenario."}}})"},
    {"Stats", R"({"type": "object",
      "required": ["scenario", "state", "as_of", "versions", "live", "test"],
      "properties": {
        "scenario": {"type": "string"},
        "state": {"type": "string"},
        "as_of": {"type": "string", "format": "date-time"},
        "versions": {"type": "array", "items": {"type": "integer"}},
        "live": {"$ref": "#/components/schemas/StatsSide"},
        "test": {"$ref": "#/components/schemas/StatsSide"}}})"},
    {"StatsSide", R"({"type": "object",
      "description": "entered + moved_in = inside + done + exited + stopped + moved_out.",
      "required": ["entered", "inside", "done", "exited", "stopped", "parked", "goal", "moved_in", "moved_out", "refused", "nodes"],
      "properties": {
        "entered": {"type": "integer"},
        "inside": {"type": "integer"},
        "done": {"type": "integer"},
        "exited": {"type": "integer"},
        "stopped": {"type": "integer"},
        "parked": {"type": "integer"},
        "goal": {"type": "integer", "description": "Runs that reached the goal."},
        "moved_in": {"type": "integer", "description": "Runs that came from another version."},
        "moved_out": {"type": "integer"},
        "refused": {"$ref": "#/components/schemas/Counts",
          "description": "Entries refused, by reason."},
        "too_much_work": {"type": "integer", "description": "Goals, exit rules and waits that could not be told since one event may take only so many steps. Where there are any."},
        "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/NodeStats"}}}})"},
    {"NodeStats", R"({"type": "object",
      "description": "accepted + pending + failed + cancelled = requests.",
      "required": ["id", "kind", "visits", "unique_contacts", "waiting", "moved_in", "moved_out", "ports", "unknown", "requests", "accepted", "pending", "parked", "failed", "cancelled"],
      "properties": {
        "id": {"type": "string"},
        "kind": {"type": "string"},
        "visits": {"type": "integer"},
        "unique_contacts": {"type": "integer"},
        "waiting": {"type": "integer"},
        "moved_in": {"type": "integer"},
        "moved_out": {"type": "integer"},
        "ports": {"$ref": "#/components/schemas/Counts"},
        "unknown": {"type": "integer"},
        "requests": {"type": "integer"},
        "accepted": {"type": "integer"},
        "pending": {"type": "integer"},
        "parked": {"type": "integer", "description": "Part of pending."},
        "failed": {"type": "integer"},
        "cancelled": {"type": "integer"},
        "too_much_work": {"type": "integer", "description": "Visits whose condition could not be told since one event may take only so many steps. Where there are any."},
        "contact_full": {"type": "integer", "description": "Visits whose change did not fit into the contact. Where there are any."},
        "paused": {"const": true, "description": "Where the node is paused."}}})"},
    {"Counts", R"({"type": "object", "additionalProperties": {"type": "integer"}})"},

    {"Delivery", R"({"type": "object", "description": "One webhook request of one visit.",
      "required": ["id", "scenario", "node", "version", "contact", "run", "test", "state", "parked", "created", "deadline", "next_attempt", "settled", "attempt_count", "last_attempt"],
      "properties": {
        "id": {"type": "string", "description": "evt_…, the webhook-id of every attempt."},
        "scenario": {"type": "string"},
        "node": {"type": "string"},
        "version": {"type": "integer"},
        "contact": {"type": ["string", "integer", "null"]},
        "run": {"type": "string"},
        "test": {"type": "boolean"},
        "state": {"words": "DeliveryState"},
        "parked": {"type": "boolean"},
        "created": {"type": "string", "format": "date-time"},
        "deadline": {"type": "string", "format": "date-time"},
        "next_attempt": {"type": ["string", "null"], "format": "date-time"},
        "settled": {"type": ["string", "null"], "format": "date-time"},
        "attempt_count": {"type": "integer"},
        "last_attempt": {"oneOf": [{"$ref": "#/components/schemas/Attempt"}, {"type": "null"}]},
        "reason": {"type": "string"},
        "parked_since": {"type": "string", "format": "date-time"},
        "series": {"type": "integer", "description": "Times it was retried by hand."},
        "batch": {"type": "string", "description": "The delivery under whose id it goes out."},
        "batch_size": {"type": "integer", "description": "Of the first of a batch."},
        "request": {"oneOf": [{"$ref": "#/components/schemas/Request"}, {"type": "null"}]},
        "attempts": {"type": "array", "items": {"$ref": "#/components/schemas/Attempt"}}}})"},
    {"Deliveries", R"({"type": "object", "required": ["deliveries", "next"], "properties": {
      "deliveries": {"type": "array", "items": {"$ref": "#/components/schemas/Delivery"}},
      "next": {"type": ["string", "null"], "description": "The cursor of the next page."}}})"},
    {"DeliveryFilter", R"({"type": "object", "required": ["scenario"],
      "additionalProperties": false, "properties": {
        "scenario": {"type": "string"},
        "node": {"type": "string"},
        "state": {"enum": ["pending", "failed", "cancelled"],
          "description": "When retrying failed, where missing, or cancelled; else pending."},
        "since": {"type": "string", "format": "date-time"},
        "until": {"type": "string", "format": "date-time"},
        "code": {"type": ["string", "integer"],
          "description": "Of the last attempt, a status or a word, or the reason of the end."},
        "dry_run": {"type": "boolean", "default": false, "description": "Only count."}}})"},
    {"ByHand", R"({"type": "object", "required": ["changed", "skipped"], "properties": {
      "changed": {"type": "integer"},
      "skipped": {"type": "integer", "description": "That fit and cannot be sent again."}}})"},
    {"Switch", R"({"type": "object", "required": ["scenario", "node", "paused", "pending"],
      "properties": {
        "scenario": {"type": "string"},
        "node": {"type": "string"},
        "paused": {"type": "boolean"},
        "pending": {"type": "integer"}}})"},
    {"Empty", R"({"type": "object", "additionalProperties": false})"},
    {"Log", R"({"type": "object", "required": ["lines", "next", "more"], "properties": {
      "lines": {"type": "array", "items": {"type": "object", "required": ["at", "what"],
        "properties": {
          "at": {"type": "string", "format": "date-time"},
          "what": {"type": "string", "description": "node.paused, delivery.refused, …"},
          "scenario": {"type": "string"}, "node": {"type": "string"}, "who": {"type": "string"},
          "text": {"type": "string"}, "delivery": {"type": "string"}}}},
      "next": {"type": "string", "description": "The cursor behind these lines."},
      "more": {"type": "boolean", "description": "There is more already."}}})"},
    {"Attempt", R"({"type": "object", "required": ["number", "at", "took_ms", "status"],
      "properties": {
        "number": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "took_ms": {"type": "integer"},
        "status": {"type": ["integer", "null"], "description": "Null where no answer came."},
        "code": {"type": "string"},
        "error": {"type": "string"},
        "response": {"type": "string", "description": "The beginning of the answer's body."}}})"},
    {"Secret", R"({"type": "object", "description": "All that is ever told of one.",
      "required": ["name", "set_at", "rotating_since", "hosts", "any_host", "hosts_set",
        "used_by", "sent_to", "refused_hosts", "readable"], "properties": {
        "name": {"type": "string"},
        "set_at": {"type": ["string", "null"], "format": "date-time"},
        "rotating_since": {"type": ["string", "null"], "format": "date-time",
          "description": "While an old value signs too: since when."},
        "hosts": {"type": "array", "items": {"type": "string"},
          "description": "The hosts to which it may be sent; empty: any, or not readable."},
        "any_host": {"type": "boolean", "description": "True: it may be sent to any host."},
        "hosts_set": {"type": "boolean",
          "description": "False: stored before secrets had hosts (or not readable); set them."},
        "used_by": {"type": "array", "items": {"type": "string"},
          "description": "Scenarios, by id, that are not archived."},
        "sent_to": {"type": "array", "items": {"type": "string"},
          "description": "Hosts to which these scenarios send it."},
        "refused_hosts": {"type": "array", "items": {"type": "string"},
          "description": "Those of sent_to that are not allowed: such deliveries wait."},
        "readable": {"type": "boolean",
          "description": "False: sealed under a master key that is not here."}}})"},
    {"Secrets", R"({"type": "object", "required": ["secrets"], "properties": {
      "secrets": {"type": "array", "items": {"$ref": "#/components/schemas/Secret"}}}})"},
    {"SecretValue", R"({"type": "object", "properties": {
      "value": {"type": ["string", "null"],
        "description": "4 to 8192 bytes without control characters; empty keeps the one it has."},
      "rotate": {"type": ["boolean", "null"],
        "description": "The old value signs on beside the new one."},
      "drop_old": {"type": ["boolean", "null"], "description": "Ends a rotation; goes alone."},
      "hosts": {"type": ["array", "null"], "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
        "description": "Hosts to which it may be sent: crm.example.com, crm.example.com:8443, *.example.com (all names below it), addresses. A new one must have hosts or any_host; else they stay as they are."},
      "any_host": {"type": ["boolean", "null"],
        "description": "True: it may be sent to any host. Not together with hosts."}}})"},
    {"SecretChanged", R"({"allOf": [{"$ref": "#/components/schemas/Secret"},
      {"type": "object", "required": ["created", "changed"], "properties": {
        "created": {"type": "boolean"}, "changed": {"type": "boolean"}}}]})"},
    {"Credential", R"({"type": "object", "description": "All that is ever told of one.",
      "required": ["name", "set_at", "hosts", "any_host", "hosts_set",
        "used_by", "sent_to", "refused_hosts", "readable"], "properties": {
        "name": {"type": "string"},
        "scheme": {"enum": ["basic", "bearer", "header"]},
        "username": {"type": "string"},
        "header": {"type": "string"},
        "set_at": {"type": ["string", "null"], "format": "date-time"},
        "hosts": {"type": "array", "items": {"type": "string"},
          "description": "The hosts to which it may be sent; empty: any, or not readable."},
        "any_host": {"type": "boolean", "description": "True: it may be sent to any host."},
        "hosts_set": {"type": "boolean",
          "description": "False: stored before secrets had hosts (or not readable); set them."},
        "used_by": {"type": "array", "items": {"type": "string"}},
        "sent_to": {"type": "array", "items": {"type": "string"},
          "description": "Hosts to which these scenarios send it."},
        "refused_hosts": {"type": "array", "items": {"type": "string"},
          "description": "Those of sent_to that are not allowed: such deliveries wait."},
        "readable": {"type": "boolean"}}})"},
    {"Credentials", R"({"type": "object", "required": ["credentials"], "properties": {
      "credentials": {"type": "array", "items": {"$ref": "#/components/schemas/Credential"}}}})"},
    {"CredentialValue", R"({"type": "object",
      "description": "At most one of basic, bearer and header; an empty secret part keeps the one it has. Without any of them only the hosts change.",
      "minProperties": 1, "properties": {
        "basic": {"type": "object", "required": ["username"], "properties": {
          "username": {"type": "string"}, "password": {"type": ["string", "null"]}}},
        "bearer": {"type": ["string", "null"]},
        "header": {"type": "object", "required": ["name"], "properties": {
          "name": {"type": "string"}, "value": {"type": ["string", "null"]}}},
      "hosts": {"type": ["array", "null"], "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
        "description": "Hosts to which it may be sent: crm.example.com, crm.example.com:8443, *.example.com (all names below it), addresses. A new one must have hosts or any_host; else they stay as they are."},
      "any_host": {"type": ["boolean", "null"],
        "description": "True: it may be sent to any host. Not together with hosts."}}})"},
    {"CredentialChanged", R"({"allOf": [{"$ref": "#/components/schemas/Credential"},
      {"type": "object", "required": ["created", "changed"], "properties": {
        "created": {"type": "boolean"}, "changed": {"type": "boolean"}}}]})"},
    {"Token", R"({"type": "object", "description": "All that is ever told of one again.",
      "required": ["name", "role", "created_at", "expires_at", "expired", "hash"], "properties": {
        "name": {"type": "string"},
        "role": {"enum": ["read", "ingest", "metrics", "author", "admin"]},
        "created_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "expired": {"type": "boolean"},
        "hash": {"type": "string", "description": "The first 8 hex digits of its SHA-256."}}})"},
    {"Tokens", R"({"type": "object", "required": ["tokens"], "properties": {
      "tokens": {"type": "array", "items": {"$ref": "#/components/schemas/Token"}}}})"},
    {"NewToken", R"({"type": "object", "required": ["name", "role"], "properties": {
      "name": {"type": "string", "description": "1 to 64 letters, digits, -, _ and ., but not \".\" or \"..\"; no other has it.",
        "pattern": "^[A-Za-z0-9._-]{1,64}$"},
      "role": {"enum": ["read", "ingest", "metrics", "author", "admin"]},
      "expires_at": {"type": ["string", "null"], "format": "date-time",
        "description": "From then on it opens nothing; without it, until it is revoked."}}})"},
    {"TokenCreated", R"({"allOf": [{"$ref": "#/components/schemas/Token"},
      {"type": "object", "required": ["token"], "properties": {
        "token": {"type": "string", "description": "The token itself, shown this once."}}}]})"},
    {"Rekeyed", R"({"type": "object", "required": ["sealed", "unreadable"], "properties": {
      "sealed": {"type": "integer"},
      "unreadable": {"type": "integer",
        "description": "Those that no key here opens; the old keys stay for them."}}})"},
    {"WebhookTest", R"({"type": "object", "description": "What came of a node's test button.",
      "required": ["id", "accepted", "status", "code", "error", "explanation", "took_ms", "response",
        "request"],
      "properties": {
        "id": {"type": "string"},
        "accepted": {"type": "boolean"},
        "status": {"type": ["integer", "null"]},
        "code": {"type": ["string", "null"]},
        "error": {"type": ["string", "null"]},
        "explanation": {"type": ["string", "null"], "description": "What to do about it."},
        "took_ms": {"type": "integer"},
        "response": {"type": ["string", "null"], "description": "At most 4 KiB of the answer."},
        "request": {"$ref": "#/components/schemas/Request"}}})"},
    {"Request", R"({"type": "object", "required": ["method", "url", "headers", "body"],
      "properties": {
        "method": {"type": "string"},
        "url": {"type": "string"},
        "headers": {"type": "array", "items": {"type": "object", "required": ["name", "value"],
          "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}},
        "body": {"type": "string"}}})"},
};

/// The words of an enumeration that schemas name; empty where there is none of that name.
std::span<const std::string_view> words_of(std::string_view enumeration) {
  if (enumeration == "DeliveryState") return delivery_state_words();
  if (enumeration == "RunState") return run_state_words();
  if (enumeration == "ScenarioState") return scenario_state_words();
  return {};
}

/// Puts the words in place of the name of their enumeration.
Value with_words(const Value& schema) {
  if (const ValueList* list = schema.list()) {
    ValueList made;
    for (const Value& item : *list) made.push_back(with_words(item));
    return made;
  }
  if (!schema.map()) return schema;
  ValueMap made;
  for (const auto& [name, value] : *schema.map()) {
    const auto words = name == "words" && value.text() ? words_of(*value.text())
                                                       : std::span<const std::string_view>{};
    if (words.empty())
      made.emplace_back(name, with_words(value));
    else
      made.emplace_back("enum", ValueList(words.begin(), words.end()));
  }
  return made;
}

Value parsed(std::string_view json) {
  auto schema = read_schema(json);
  assert(schema);  // Ours, not input.
  return *std::move(schema);
}

Value field_schema(FieldType type, bool nullable) {
  std::string_view name = "string";
  std::string_view format;
  switch (type) {
    case FieldType::Text:
      break;
    case FieldType::Number:
      name = "number";
      break;
    case FieldType::Date:
      format = "date";
      break;
    case FieldType::Instant:
      format = "date-time";
      break;
    case FieldType::Flag:
      name = "boolean";
      break;
    case FieldType::List:
      name = "array";
      break;
  }
  Value schema;
  schema.set("type", nullable ? Value{ValueList{name, "null"}} : Value{name});
  if (!format.empty()) schema.set("format", format);
  return schema;
}

/// The fields of a contact as the vocabulary has them; a patch may clear them with null.
Value contact_properties(bool patch) {
  Value properties;
  properties.set("id",
                 parsed(R"({"type": ["string", "integer"], "description": "The caller's own."})"));
  Value consent;
  for (const FieldInfo& info : contact_fields()) {
    Value field = field_schema(info.type, patch);
    field.set("description", info.summary);
    const auto dot = info.name.find('.');
    if (dot == std::string_view::npos)
      properties.set(info.name, std::move(field));
    else
      consent.set(info.name.substr(dot + 1), std::move(field));
  }
  properties.set("consent",
                 ValueMap{{"type", patch ? Value{ValueList{"object", "null"}} : Value{"object"}},
                          {"properties", std::move(consent)}});
  properties.set("custom", parsed(R"({"type": "object", "description": "Fields of your own."})"));
  const Value groups = parsed(R"({"type": "array", "items": {"type": "string"}})");
  properties.set("groups", groups);
  if (patch) {
    properties.set("groups_add", groups);
    properties.set("groups_remove", groups);
  }
  return properties;
}

Value contact_schema() {
  Value properties = contact_properties(/*patch=*/false);
  for (const std::string_view name : {"created_at", "updated_at"})
    properties.set(name, field_schema(FieldType::Instant, /*nullable=*/false));
  Value statistics;
  for (const std::string_view name : statistic_names())
    statistics.set(name, field_schema(type_of(*find_statistic(name)), /*nullable=*/true));
  properties.set("statistics", ValueMap{{"type", "object"}, {"properties", std::move(statistics)}});
  properties.set("warnings", parsed(R"({"type": "array", "items": {"type": "string"}})"));
  return ValueMap{{"type", "object"},
                  {"required", ValueList{"groups", "created_at", "updated_at", "statistics"}},
                  {"properties", std::move(properties)}};
}

Value patch_schema() {
  return ValueMap{
      {"type", "object"},
      {"description",
       "Absent fields stay, null clears; groups replaces, groups_add and groups_remove change. "
       "Names of other systems for these fields are understood as well."},
      {"properties", contact_properties(/*patch=*/true)}};
}
}  // namespace

Result<Value> read_schema(std::string_view json) {
  auto schema = parse_json(json);
  if (!schema) return schema;
  return with_words(*schema);
}

const Value& api_schemas() {
  static const Value kSchemas = [] {
    Value schemas;
    for (const Row& row : kRows) schemas.set(row.name, parsed(row.schema));
    schemas.set("Contact", contact_schema());
    schemas.set("ContactPatch", patch_schema());
    return schemas;
  }();
  return kSchemas;
}

bool known_schema(std::string_view name) { return api_schemas().find(name) != nullptr; }
}  // namespace onward
