#include "engine/secrets/secret_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <utility>

#include "engine/core/base/base64.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kMask = "***";
/// A text as a reader sees it, its escapes decoded, and where each byte came from.
struct Unescaped {
  std::string text;
  std::vector<std::size_t> from;  ///< Of each byte and of the end, in the raw text.
};

/// What one escape stands for, and how much of the text it takes.
struct Escape {
  std::string bytes;  ///< Empty: the text was cut off inside of it.
  std::size_t size;
};

std::string utf8_of(std::uint32_t point) {
  const auto rest = [point](unsigned shift) {
    return static_cast<char>(0x80 | ((point >> shift) & 0x3f));
  };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | (point >> 6)), rest(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | (point >> 12)), rest(6), rest(0)};
  return {static_cast<char>(0xf0 | (point >> 18)), rest(12), rest(6), rest(0)};
}

/// What becomes of `text` where somebody reads its bytes as latin-1, as servers do with headers,
/// and writes them as UTF-8: each byte beyond ASCII becomes two.
std::string latin1_as_utf8(std::string_view text) {
  std::string written;
  for (const char c : text) written += utf8_of(static_cast<unsigned char>(c));
  return written;
}

/// The unit of "\u00e4" at the beginning of `text`; nothing where that is something else.
std::optional<std::uint32_t> read_unit(std::string_view text) {
  std::uint32_t unit = 0;
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  if (error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return unit;
}

/// Whether `text` ends before the escape that it begins with does, as "\u00" and "\" do.
bool is_cut_off(std::string_view text) {
  return text.size() < 6 && std::string_view{"\\u"}.starts_with(text.substr(0, 2)) &&
         text.substr(std::min<std::size_t>(text.size(), 2))
                 .find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

/// The escape that `text` begins with; nothing where that is none of JSON's.
std::optional<Escape> read_escape(std::string_view text) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  if (is_cut_off(text)) return Escape{"", text.size()};
  if (const std::size_t at = kLetters.find(text[1]); at != std::string_view::npos)
    return Escape{{kMeant[at]}, 2};
  const auto unit = read_unit(text);
  if (!unit || (*unit >= 0xdc00 && *unit <= 0xdfff)) return std::nullopt;
  if (*unit < 0xd800 || *unit > 0xdfff) return Escape{utf8_of(*unit), 6};
  if (text.size() == 6 || is_cut_off(text.substr(6))) return Escape{"", text.size()};
  const auto low = read_unit(text.substr(6));
  if (!low || *low < 0xdc00 || *low > 0xdfff) return std::nullopt;
  return Escape{utf8_of(0x10000 + ((*unit - 0xd800) << 10) + (*low - 0xdc00)), 12};
}

Unescaped unescaped(std::string_view raw) {
  Unescaped seen;
  seen.text.reserve(raw.size());
  seen.from.reserve(raw.size() + 1);
  for (std::size_t at = 0; at < raw.size();) {
    const auto escape = raw[at] == '\\' ? read_escape(raw.substr(at)) : std::nullopt;
    seen.text += escape ? std::string_view{escape->bytes} : raw.substr(at, 1);
    seen.from.resize(seen.text.size(), at);
    at += escape ? escape->size : 1;
  }
  seen.from.push_back(raw.size());
  return seen;
}

/// Where a value stands in a text: [first, second).
using Span = std::pair<std::size_t, std::size_t>;

Unescaped percent_decoded(std::string_view raw) {
  Unescaped seen;
  seen.text.reserve(raw.size());
  seen.from.reserve(raw.size() + 1);
  for (std::size_t at = 0; at < raw.size();) {
    unsigned byte = 0;
    const bool escape = raw[at] == '%' && raw.size() - at >= 3 &&
                        std::from_chars(&raw[at] + 1, &raw[at] + 3, byte, 16).ptr == &raw[at] + 3;
    seen.text += escape ? static_cast<char>(byte) : raw[at];
    seen.from.push_back(at);
    at += escape ? 3 : 1;
  }
  seen.from.push_back(raw.size());
  return seen;
}

Unescaped as_it_is(std::string_view raw) {
  Unescaped seen{.text = std::string{raw}, .from = {}};
  seen.from.resize(raw.size() + 1);
  std::iota(seen.from.begin(), seen.from.end(), std::size_t{0});
  return seen;
}

/// Adds where `value` stands in `seen`, in the raw text.
void find_value(std::vector<Span>& found, const Unescaped& seen, std::string_view value) {
  if (value.empty()) return;
  for (std::size_t at = seen.text.find(value); at != std::string::npos;
       at = seen.text.find(value, at + value.size()))
    found.emplace_back(seen.from[at], seen.from[at + value.size()]);
}

/// The secret or credential of that name, if it may be sent to `origin`.
Result<const StoredSecret*> look_up(const SecretValues::Named& all, SecretKind kind,
                                    std::string_view name, std::string_view origin) {
  const auto found = all.find(name);
  if (found == all.end()) return secret_missing(to_string(kind), name);
  const StoredSecret& stored = found->second;
  if (stored.hosts.permits(origin)) return &stored;
  return fail(ErrorKind::Forbidden, std::string{kSecretHostRefused},
              refused_host_text(to_string(kind), name, stored.hosts, origin));
}

CredentialHeader header_of(const StoredSecret& credential) {
  switch (credential.scheme) {
    case AuthScheme::Basic: {
      std::string pair = base64_encode(credential.login + ":" + credential.value);
      return {{"Authorization", "Basic " + pair}, {credential.value, std::move(pair)}};
    }
    case AuthScheme::Header:
      return {{credential.login, credential.value}, {credential.value}};
    case AuthScheme::None:
    case AuthScheme::Bearer:
      break;
  }
  return {{"Authorization", "Bearer " + credential.value}, {credential.value}};
}

}  // namespace

tl::unexpected<Error> secret_missing(std::string_view kind, std::string_view name) {
  return fail(ErrorKind::NotFound, "secret_missing",
              fmt::format("there is no {} \"{}\"", kind, name));
}

Result<std::vector<std::string>> SecretSource::signing(std::string_view name,
                                                       std::string_view origin) const {
  auto value = secret(name, origin);
  if (!value) return tl::make_unexpected(value.error());
  return std::vector<std::string>{*std::move(value)};
}

Result<CredentialHeader> SecretSource::credential(std::string_view name, std::string_view) const {
  return secret_missing("credential", name);
}

void mask_in(std::string& text, const std::vector<std::string>& values, TextEnd end) {
  std::vector<std::string> forms = values;
  for (const std::string& value : values)
    if (std::string form = latin1_as_utf8(value); form != value) forms.push_back(std::move(form));
  std::size_t longest = 0;
  for (const std::string& form : forms) longest = std::max(longest, form.size());
  if (longest == 0 || text.empty()) return;
  std::vector<Unescaped> views{as_it_is(text)};
  if (text.find('\\') != std::string::npos) views.push_back(unescaped(text));
  if (text.find('%') != std::string::npos) views.push_back(percent_decoded(text));
  if (text.find('+') != std::string::npos) {  // Forms write a blank so.
    std::string with_blanks = text;
    std::ranges::replace(with_blanks, '+', ' ');
    views.push_back(percent_decoded(with_blanks));
  }
  std::vector<Span> found;
  for (const Unescaped& seen : views) {
    for (const std::string& form : forms) find_value(found, seen, form);
    // The last of its bytes may be missing, so a value that begins here would not be found.
    if (end == TextEnd::CutOff)
      found.emplace_back(seen.from[seen.text.size() - std::min(longest - 1, seen.text.size())],
                         text.size());
  }
  if (found.empty()) return;
  std::ranges::sort(found);
  std::string shown;
  std::size_t done = 0;
  for (const auto& [from, to] : found) {
    if (from >= done) shown.append(text, done, from - done) += kMask;
    done = std::max(done, to);
  }
  text = shown.append(text, done);
}

SecretValues::SecretValues(Named secrets, Named credentials)
    : secrets_{std::move(secrets)}, credentials_{std::move(credentials)} {}

SecretValues::~SecretValues() {
  for (Named* all : {&secrets_, &credentials_})
    for (auto& [name, stored] : *all) {
      wipe(stored.value);
      wipe(stored.previous);
    }
}

Result<std::string> SecretValues::secret(std::string_view name, std::string_view origin) const {
  const auto stored = look_up(secrets_, SecretKind::Secret, name, origin);
  if (!stored) return tl::make_unexpected(stored.error());
  return (*stored)->value;
}

Result<std::vector<std::string>> SecretValues::signing(std::string_view name,
                                                       std::string_view origin) const {
  const auto stored = look_up(secrets_, SecretKind::Secret, name, origin);
  if (!stored) return tl::make_unexpected(stored.error());
  std::vector<std::string> values{(*stored)->value};
  if (!(*stored)->previous.empty()) values.push_back((*stored)->previous);
  return values;
}

Result<CredentialHeader> SecretValues::credential(std::string_view name,
                                                  std::string_view origin) const {
  const auto stored = look_up(credentials_, SecretKind::Credential, name, origin);
  if (!stored) return tl::make_unexpected(stored.error());
  return header_of(**stored);
}

void SecretBox::put(std::shared_ptr<const SecretValues> values) {
  const std::lock_guard lock{mutex_};
  values_.swap(values);
}

std::shared_ptr<const SecretValues> SecretBox::now() const {
  const std::lock_guard lock{mutex_};
  return values_;
}

Result<std::string> SecretBox::secret(std::string_view name, std::string_view origin) const {
  const auto values = now();
  return values ? values->secret(name, origin) : secret_missing("secret", name);
}

Result<std::vector<std::string>> SecretBox::signing(std::string_view name,
                                                    std::string_view origin) const {
  const auto values = now();
  return values ? values->signing(name, origin) : secret_missing("secret", name);
}

Result<CredentialHeader> SecretBox::credential(std::string_view name,
                                               std::string_view origin) const {
  const auto values = now();
  return values ? values->credential(name, origin) : secret_missing("credential", name);
}
}  // namespace onward
