#pragma once
// Codes of errors that more than one component looks at.

namespace onward {
/// A row of the database cannot be read. Of kind Internal, so that the engine gives up the one
/// input that needs it, and continues. Every call answers it with 503: neither the request nor the
/// program is at fault, and a row that is restored can be read again.
inline constexpr const char* kUnreadableRow = "unreadable_row";
}  // namespace onward
