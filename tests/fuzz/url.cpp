// URLs of webhooks, and the entries that open addresses.
#include "engine/net/url.h"
#include "engine/delivery/address_guard.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  const std::string_view text = text_of(data, size);
  (void)AddressGuard::make({.allow_networks = {std::string{text}}, .allow_hosts = {}});
  (void)AddressGuard::make({.allow_networks = {}, .allow_hosts = {std::string{text}}});
  const auto url = parse_url(text);
  if (!url) {
    must(!url.error().message.empty(), "a refusal says why");
    return 0;
  }
  must(url->scheme == "http" || url->scheme == "https", "only http and https are called");
  must(!url->host.empty() && url->port != 0, "a URL says whom");
  must(url->host.find('@') == std::string::npos, "no user hides in a host");
  const auto again = parse_url(url->text);
  must(again && again->origin() == url->origin(), "a URL is read alike twice");
  const auto origin = parse_url(url->origin());
  must(origin && origin->origin() == url->origin(), "an origin is its own origin");
  return 0;
}
