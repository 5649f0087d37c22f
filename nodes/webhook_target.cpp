#include "nodes/webhook_target.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/core/base/clipped.h"
#include "engine/core/base/placeholder_marks.h"
#include "engine/core/base/utf8.h"
#include "engine/net/url.h"
#include "nodes/setting_reads.h"
#include "nodes/webhook_pairs.h"

namespace onward {
namespace {
using Spans = std::vector<PlaceholderSpan>;

/// The first of `wanted` outside of placeholders, or the text's end.
std::size_t find_outside(std::string_view text, const Spans& placeholders, std::string_view wanted,
                         std::size_t from) {
  auto next = std::ranges::find_if(placeholders, [&](const auto& span) { return span.to > from; });
  for (std::size_t i = from; i < text.size(); ++i) {
    if (next != placeholders.end() && i >= next->from)
      i = next++->to - 1;
    else if (wanted.find(text[i]) != std::string_view::npos)
      return i;
  }
  return text.size();
}

/// The text with a letter in place of each placeholder, for the URL parser.
std::string without_placeholders(std::string_view text, const Spans& placeholders) {
  std::string result;
  std::size_t at = 0;
  for (const PlaceholderSpan& span : placeholders) {
    result += text.substr(at, span.from - at);
    result += 'x';
    at = span.to;
  }
  result += text.substr(at);
  return result;
}

/// The place of byte `offset` of a one-line text that begins at `begin`.
Position place_in(std::string_view text, Position begin, std::size_t offset) {
  begin.column += count_characters(text.substr(0, offset));
  return begin;
}
}  // namespace

WebhookTarget::WebhookTarget(Settings& settings) {
  read_url(settings);
  read_query(settings);
}

void WebhookTarget::read_url(Settings& settings) {
  const std::string whole = settings.required<std::string>("url");
  const Tree* tree = settings.find("url");
  if (!tree || !tree->is_scalar()) return;
  const std::string_view text{whole};
  const std::size_t scheme = text.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const Spans placeholders = placeholder_spans(text);
  const std::size_t path = find_outside(text, placeholders, "/?#", host);
  if (const std::size_t open = find_placeholder(text.substr(0, path));
      open != std::string_view::npos) {
    settings.error(place_in(text, tree->text_at, open), "placeholder_in_host",
                   "\"url\": a placeholder may stand in the path and the query only, never in "
                   "scheme, host or port");
    return;
  }
  const auto url = parse_url(without_placeholders(text, placeholders));
  if (!url) {
    settings.error(tree->at, "bad_url",
                   fmt::format("\"url\": {}, found {}", url.error().message, describe(*tree)));
    return;
  }
  origin_ = url->origin();
  if (const auto& refuses = settings.context().refuses_origin)
    if (const std::string why = refuses(origin_); !why.empty())
      settings.warning(tree->at, "blocked_policy",
                       fmt::format("\"url\": this server will not call it: {}. Until that is "
                                   "allowed its requests stay pending",
                                   why));
  front_ = text.substr(0, path);
  const std::size_t query = find_outside(text, placeholders, "?", path);
  const auto add = [&](std::size_t from, std::size_t to, TemplateUse use) {
    if (from == to) return;
    parts_.push_back(Template::compile(text.substr(from, to - from),
                                       place_in(text, tree->text_at, from), use,
                                       name_of_setting(settings, "url"), settings.diagnostics()));
  };
  add(path, query, TemplateUse::UrlPath);
  add(query, text.size(), TemplateUse::UrlQuery);
  if (query < text.size()) separator_ = query + 1 == text.size() ? "" : "&";
}

void WebhookTarget::read_query(Settings& settings) {
  const Tree* tree = settings.find("query");
  if (!tree) return;
  if (tree->is_scalar()) {
    const std::string checked = without_placeholders(tree->text, placeholder_spans(tree->text));
    if (tree->text.starts_with('?') || !parse_url("http://x/?" + checked)) {
      settings.error(tree->at, "bad_query",
                     fmt::format("\"query\" wants pairs such as a=1&b=2, percent-encoded and "
                                 "without \"?\", or a mapping; found {}",
                                 describe(*tree)));
      return;
    }
    query_text_.push_back(Template::compile(tree->text, tree->text_at, TemplateUse::UrlQuery,
                                            name_of_setting(settings, "query"),
                                            settings.diagnostics()));
    return;
  }
  if (!tree->is_map()) {
    settings.error(tree->at, "wrong_type",
                   fmt::format("\"query\" wants a mapping, or a text such as a=1&b=2; found {}",
                               describe(*tree)));
    return;
  }
  for (const Tree::Entry& entry : tree->entries) {
    if (!entry.value.is_scalar() && !entry.value.is_null()) {
      settings.error(entry.value.at, "wrong_type",
                     fmt::format("\"query\": \"{}\" wants a text, found {}", clipped(entry.key),
                                 describe(entry.value)));
      continue;
    }
    // Literal text is encoded with the values, so the template itself leaves all as it is.
    pairs_.emplace_back(
        percent_encode(entry.key) + "=",
        Template::compile(entry.value.text, entry.value.text_at, TemplateUse::Header,
                          name_of_setting(settings, "query"), settings.diagnostics()));
  }
}

bool WebhookTarget::render_to(std::string& url, const TemplateSubject& subject,
                              std::size_t most) const {
  if (!append_within(url, front_, most)) return false;
  for (const Template& part : parts_)
    if (!part.render_to(url, subject, most)) return false;
  std::string_view separator = separator_;
  for (const Template& text : query_text_) {
    url += separator;
    if (!text.render_to(url, subject, most)) return false;
    separator = "&";
  }
  std::string plain;
  for (const auto& [name, value] : pairs_) {
    url += separator;
    plain.clear();
    // Encoded, a value is never shorter.
    if (!append_within(url, name, most) || !value.render_to(plain, subject, most) ||
        !append_but_secrets(url, plain, most))
      return false;
    separator = "&";
  }
  return url.size() <= most;
}

std::vector<std::string> WebhookTarget::secrets() const {
  std::vector<std::string> names;
  const auto add = [&](const Template& text) {
    for (std::string& name : text.secrets()) names.push_back(std::move(name));
  };
  for (const Template& part : parts_) add(part);
  for (const Template& text : query_text_) add(text);
  for (const auto& [name, value] : pairs_) add(value);
  return names;
}
}  // namespace onward
