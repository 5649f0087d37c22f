#include "tools/onward/manifest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/core/base/value.h"
#include "engine/secrets/regular_file.h"
#include "tools/onward/client.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr std::int64_t kFormat = 1;
constexpr std::size_t kChunk = 1 << 20;
constexpr std::array<std::string_view, 3> kNames{"onward.db", "secret.key", "token"};

tl::unexpected<Error> wrong(const std::filesystem::path& file, std::string_view what) {
  return fail(ErrorKind::Invalid, "bad_manifest",
              fmt::format("{} is no manifest of a backup: {}.", file.string(), what));
}
}  // namespace

std::string manifest_text(const Manifest& manifest) {
  ValueList files;
  for (const BackupFile& file : manifest.files)
    files.push_back(ValueMap{{"name", file.name},
                             {"bytes", static_cast<std::int64_t>(file.bytes)},
                             {"sha256", file.sha256}});
  const Value value = ValueMap{
      {"format", kFormat},         {"onward", manifest.version},
      {"schema", manifest.schema}, {"sequence", static_cast<std::int64_t>(manifest.sequence)},
      {"epoch", manifest.epoch},   {"at", format_instant(manifest.at)},
      {"files", std::move(files)}};
  return to_pretty_json(value) + "\n";
}

Result<Manifest> read_manifest(const std::filesystem::path& file) {
  const auto text = read_regular(file.string());
  if (!text) return tl::make_unexpected(text.error());
  const auto value = parse_json(*text);
  if (!value) return wrong(file, value.error().message);
  if (number_of(*value, "format") != kFormat)
    return wrong(
        file, fmt::format("\"format\" wants {}, found {}", kFormat, number_of(*value, "format")));
  const auto at = parse_instant(text_of(*value, "at"));
  if (!at) return wrong(file, "\"at\" is no time");
  Manifest manifest{.version = text_of(*value, "onward"),
                    .schema = static_cast<int>(number_of(*value, "schema")),
                    .sequence = static_cast<Sequence>(number_of(*value, "sequence")),
                    .epoch = text_of(*value, "epoch"),
                    .at = *at};
  for (const Value& one : list_of(*value, "files")) {
    BackupFile found{.name = text_of(one, "name"),
                     .bytes = static_cast<std::uint64_t>(number_of(one, "bytes")),
                     .sha256 = text_of(one, "sha256")};
    // A name is joined to a folder's path: nothing but what a backup writes.
    if (std::ranges::find(kNames, found.name) == kNames.end())
      return wrong(file, fmt::format("it names a file \"{}\"", printable(found.name)));
    manifest.files.push_back(std::move(found));
  }
  if (std::ranges::none_of(manifest.files,
                           [](const BackupFile& one) { return one.name == kNames.front(); }))
    return wrong(file, "it names no onward.db");
  return manifest;
}

Result<BackupFile> sum_of(const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path path = folder / name;
  errno = 0;
  const OpenFile in = open_regular(path);
  if (!in)
    return fail(errno == ENOENT ? ErrorKind::NotFound : ErrorKind::Io, "cannot_read",
                fmt::format("Cannot read {}: {}.", path.string(), why_not_regular(errno)));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> sum{EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free};
  EVP_DigestInit_ex(sum.get(), EVP_sha256(), nullptr);
  BackupFile file{.name = name};
  std::string chunk(kChunk, '\0');
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), in.get())) {
    EVP_DigestUpdate(sum.get(), chunk.data(), size);
    file.bytes += size;
  }
  if (std::ferror(in.get()) != 0)
    return fail(ErrorKind::Io, "cannot_read",
                fmt::format("Cannot read {}: {}.", path.string(), std::strerror(errno)));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(sum.get(), digest.data(), &size);
  for (unsigned int i = 0; i < size; ++i) file.sha256 += fmt::format("{:02x}", digest[i]);
  return file;
}
}  // namespace onward
