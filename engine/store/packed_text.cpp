#include "engine/store/packed_text.h"

#include <zlib.h>

#include <cstdint>
#include <stdexcept>

#include "engine/store/unreadable.h"

namespace onward {
namespace {
constexpr std::size_t kLengthBytes = 4;
/// No zlib stream becomes more than this many times its length.
constexpr std::uint64_t kRatioMax = 1'032;

const Bytef* packed_bytes(std::string_view text) {
  return reinterpret_cast<const Bytef*>(text.data());  // NOLINT(*-reinterpret-cast)
}
Bytef* packed_bytes(std::string& text, std::size_t from) {
  return reinterpret_cast<Bytef*>(text.data() + from);  // NOLINT(*-reinterpret-cast)
}
}  // namespace

std::string pack_text(std::string_view text) {
  uLongf length = compressBound(text.size());
  std::string packed(kLengthBytes + length, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    packed[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  if (compress2(packed_bytes(packed, kLengthBytes), &length, packed_bytes(text), text.size(),
                Z_BEST_SPEED) != Z_OK)
    throw std::bad_alloc{};  // The only reason that is left with a buffer of this size.
  packed.resize(kLengthBytes + length);
  return packed;
}

Result<std::string> unpack_text(std::string_view packed) {
  const auto damaged = [] {
    return fail(ErrorKind::Internal, kUnreadableRow,
                "the database is damaged: the text of a version is not whole");
  };
  if (packed.size() < kLengthBytes) return damaged();
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length |= std::uint64_t{static_cast<unsigned char>(packed[i])} << (8 * i);
  packed.remove_prefix(kLengthBytes);
  if (length > packed.size() * kRatioMax) return damaged();
  std::string text(length, '\0');
  uLongf unpacked = length;
  uLong read = packed.size();
  const bool whole =
      uncompress2(packed_bytes(text, 0), &unpacked, packed_bytes(packed), &read) == Z_OK &&
      unpacked == length && read == packed.size();
  if (!whole) return damaged();
  return text;
}
}  // namespace onward
