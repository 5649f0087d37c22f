#include "engine/secrets/secret_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "engine/core/template.h"
#include "engine/core/value.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::string_view kMask = "***";
/// Less of a beginning than this tells nobody anything.
constexpr std::size_t kBeginningMin = 4;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

std::string in_json(std::string_view value) {
  std::string text;
  append_json_string(text, value);
  return text.substr(1, text.size() - 2);
}

/// Some writers of JSON escape the slash as well.
std::string with_escaped_slashes(std::string text) {
  replace_all(text, "/", "\\/");
  return text;
}

/// "%2F" as "%2f".
std::string with_small_escapes(std::string text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i)
    if (text[i] == '%')
      for (const std::size_t digit : {i + 1, i + 2})
        if (text[digit] >= 'A' && text[digit] <= 'F') text[digit] += 'a' - 'A';
  return text;
}

std::vector<std::string> forms_of(std::string_view value) {
  if (value.empty()) return {};
  std::vector<std::string> forms{std::string{value}, percent_encode(value), in_json(value)};
  forms.push_back(with_small_escapes(forms[1]));
  forms.push_back(with_escaped_slashes(forms[2]));
  std::sort(forms.begin(), forms.end());
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  return forms;
}

/// A text as a reader of JSON sees it, its escapes decoded, and where each byte came from.
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

/// Adds where `form` stands in `text`, and its beginning at the end of that.
void find_form(std::vector<Span>& found, std::string_view text, std::string_view form) {
  for (std::size_t at = text.find(form); at != std::string_view::npos;
       at = text.find(form, at + form.size()))
    found.emplace_back(at, at + form.size());
  for (std::size_t length = std::min(form.size() - 1, text.size()); length >= kBeginningMin;
       --length) {
    if (!text.ends_with(form.substr(0, length))) continue;
    found.emplace_back(text.size() - length, text.size());
    return;
  }
}

using Forms = std::vector<std::string>;

/// All forms are found before one is masked: what overlaps another goes with it, so that none is
/// left in half.
void mask_forms(std::string& text, std::initializer_list<const Forms*> lists) {
  std::vector<Span> found;
  const auto find_all = [&](std::vector<Span>& spans, std::string_view in) {
    for (const Forms* forms : lists)
      for (const std::string& form : *forms) find_form(spans, in, form);
  };
  find_all(found, text);
  if (text.find('\\') != std::string::npos) {
    const Unescaped seen = unescaped(text);
    std::vector<Span> escaped;
    find_all(escaped, seen.text);
    for (const auto& [begin, end] : escaped) found.emplace_back(seen.from[begin], seen.from[end]);
  }
  if (found.empty()) return;
  std::sort(found.begin(), found.end());
  std::string shown;
  std::size_t done = 0;
  for (const auto& [begin, end] : found) {
    if (begin >= done) shown.append(text, done, begin - done) += kMask;
    done = std::max(done, end);
  }
  text = shown.append(text, done);
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

/// Every form of each of `values`.
Forms forms_of(const std::vector<std::string>& values) {
  Forms all;
  for (const std::string& value : values)
    for (std::string& form : forms_of(std::string_view{value})) all.push_back(std::move(form));
  return all;
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

void mask_in(std::string& text, std::string_view value) {
  if (value.empty() || text.empty()) return;
  const Forms forms = forms_of(value);
  mask_forms(text, {&forms});
}

void mask_in(std::string& text, const std::vector<std::string>& values) {
  if (values.empty() || text.empty()) return;
  const Forms forms = forms_of(values);
  mask_forms(text, {&forms});
}

void SecretSource::mask(std::string& text, const std::vector<std::string>& used) const {
  mask_in(text, used);
}

SecretValues::SecretValues(Named secrets, Named credentials)
    : secrets_{std::move(secrets)}, credentials_{std::move(credentials)} {
  const auto hide = [this](std::string_view value) {
    for (std::string& form : forms_of(value)) hidden_.push_back(std::move(form));
  };
  for (const Named* all : {&secrets_, &credentials_})
    for (const auto& [name, stored] : *all) {
      hide(stored.value);
      if (!stored.previous.empty()) hide(stored.previous);
      if (stored.scheme == AuthScheme::Basic)
        hide(base64_encode(stored.login + ":" + stored.value));
    }
}

SecretValues::~SecretValues() {
  for (Named* all : {&secrets_, &credentials_})
    for (auto& [name, stored] : *all) {
      wipe(stored.value);
      wipe(stored.previous);
    }
  for (std::string& value : hidden_) wipe(value);
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

void SecretValues::mask(std::string& text, const std::vector<std::string>& used) const {
  if (text.empty()) return;
  const Forms forms = forms_of(used);
  mask_forms(text, {&hidden_, &forms});
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

void SecretBox::mask(std::string& text, const std::vector<std::string>& used) const {
  if (const auto values = now()) return values->mask(text, used);
  mask_in(text, used);
}
}  // namespace onward
