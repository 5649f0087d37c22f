#pragma once
// How large a contact is as it is stored, and whether a change still fits.
#include <cstddef>
#include <string_view>

#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"

namespace onward {
/// The code of a change that does not fit.
inline constexpr std::string_view kContactFull = "contact_full";
/// Bytes of one contact as it is stored, its groups and mailings among them, unless the server is
/// told another limit. Each of its events reads all of them.
inline constexpr std::size_t kContactBytesMax = std::size_t{256} << 10;
/// What a server may be told.
inline constexpr std::size_t kContactBytesLeast = std::size_t{16} << 10;
inline constexpr std::size_t kContactBytesMost = std::size_t{64} << 20;
/// The part of the limit that mailings may take, so that they never keep out fields.
constexpr std::size_t mailing_bytes_max(std::size_t contact_bytes_max) {
  return contact_bytes_max / 2;
}

/// Bytes of the rows: tests/store holds them to the encoder.
std::size_t stored_bytes(const Value& value);
std::size_t stored_bytes(const Contact& contact);
std::size_t stored_bytes(const Engagement& engagement);
std::size_t stored_bytes(const MailingStats& mailing);

/// Whether the contact has at most `most` bytes after the patch and `beside`, or is no larger than
/// before: what was stored under another limit may shrink.
bool fits(const Contact& contact, const Engagement& engagement, const ContactPatch& patch,
          std::size_t most, std::size_t beside = 0);
}  // namespace onward
