#include "engine/delivery/address_guard.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "engine/core/base/text.h"

namespace onward {
namespace {
/// Every address as 16 bytes; IPv4 stands in its mapped form, ::ffff:a.b.c.d.
using Bytes = std::array<std::uint8_t, 16>;

constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Bytes mapped(const std::uint8_t* four) {
  Bytes bytes{};
  std::memcpy(bytes.data(), kMapped, sizeof kMapped);
  std::memcpy(bytes.data() + 12, four, 4);
  return bytes;
}

std::optional<Bytes> read_address(const std::string& text) {
  std::uint8_t four[4];
  if (inet_pton(AF_INET, text.c_str(), four) == 1) return mapped(four);
  Bytes bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

bool is_v4(const Bytes& bytes) { return std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0; }

std::string to_text(const Bytes& bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4(bytes)) {
    inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

bool starts_with(const std::uint8_t* bytes, const std::uint8_t* prefix, int bits) {
  const int whole = bits / 8;
  if (std::memcmp(bytes, prefix, static_cast<std::size_t>(whole)) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

/// What opens an address.
enum class Tier : std::uint8_t {
  Private,  ///< A network that holds it, or its host.
  Exact,    ///< Its host, or a network that lies wholly inside the range: "everything" never means
            ///< the machine itself.
};

struct Range {
  Bytes prefix;
  int bits;
  Tier tier;
  const char* kind;  ///< "a private address"
};

/// Whatever is not public unicast (IANA special-purpose registries); the first that fits names it.
/// Clouds answer with credentials on their metadata addresses, so these open by exact entry only.
const std::vector<Range>& ranges() {
  static const std::vector<Range> kTable = [] {
    struct Row {
      const char* address;
      int bits;
      Tier tier;
      const char* kind;
    };
    constexpr Row kRows[] = {
        {"100.100.100.200", 32, Tier::Exact, "a cloud metadata address"},
        {"192.0.0.192", 32, Tier::Exact, "a cloud metadata address"},
        {"168.63.129.16", 32, Tier::Exact, "a cloud metadata address"},
        {"fd00:ec2::254", 128, Tier::Exact, "a cloud metadata address"},
        {"fd20:ce::254", 128, Tier::Exact, "a cloud metadata address"},
        {"127.0.0.0", 8, Tier::Exact, "a loopback address"},
        {"::1", 128, Tier::Exact, "a loopback address"},
        {"0.0.0.0", 8, Tier::Exact, "an address of this machine"},
        {"::", 128, Tier::Exact, "an address of this machine"},
        {"169.254.0.0", 16, Tier::Exact, "a link-local address"},
        {"fe80::", 10, Tier::Exact, "a link-local address"},
        {"10.0.0.0", 8, Tier::Private, "a private address"},
        {"172.16.0.0", 12, Tier::Private, "a private address"},
        {"192.168.0.0", 16, Tier::Private, "a private address"},
        {"fc00::", 7, Tier::Private, "a private address"},
        {"fec0::", 10, Tier::Private, "a private address"},
        {"100.64.0.0", 10, Tier::Private, "a carrier's shared address"},
        {"192.0.0.0", 24, Tier::Private, "a reserved address"},
        {"192.0.2.0", 24, Tier::Private, "a documentation address"},
        {"192.88.99.0", 24, Tier::Private, "a reserved address"},
        {"198.18.0.0", 15, Tier::Private, "a benchmark address"},
        {"198.51.100.0", 24, Tier::Private, "a documentation address"},
        {"203.0.113.0", 24, Tier::Private, "a documentation address"},
        {"224.0.0.0", 4, Tier::Private, "a multicast address"},
        {"240.0.0.0", 4, Tier::Private, "a reserved address"},
        {"64:ff9b:1::", 48, Tier::Private, "a translation address"},
        {"100::", 64, Tier::Private, "a discard address"},
        {"2001::", 23, Tier::Private, "a reserved address"},
        {"2001:db8::", 32, Tier::Private, "a documentation address"},
        {"3fff::", 20, Tier::Private, "a documentation address"},
        {"ff00::", 8, Tier::Private, "a multicast address"},
    };
    std::vector<Range> made;
    for (const Row& row : kRows) {
      const Bytes prefix = *read_address(row.address);
      made.push_back({prefix, is_v4(prefix) ? row.bits + 96 : row.bits, row.tier, row.kind});
    }
    return made;
  }();
  return kTable;
}

/// Mail servers read what they can of an HTTP request as commands.
bool is_mail(std::uint16_t port) { return port == 25 || port == 465 || port == 587; }

/// The address that a packet ends at: what is embedded in a compatible (::a.b.c.d), translated
/// (::ffff:0:a.b.c.d), NAT64 (64:ff9b::a.b.c.d) or 6to4 (2002:aabb:ccdd::) address, else itself.
Bytes reached(const Bytes& bytes) {
  static constexpr std::uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  static constexpr std::uint8_t kTranslated[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  static constexpr std::uint8_t kZero[16] = {};
  if (starts_with(bytes.data(), kNat64, 96)) return mapped(bytes.data() + 12);
  if (starts_with(bytes.data(), kTranslated, 96)) return mapped(bytes.data() + 12);
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return mapped(bytes.data() + 2);
  // "::" and "::1" are addresses of their own; so is the little else below ::1:0, by no meaning.
  if (starts_with(bytes.data(), kZero, 96) && !starts_with(bytes.data(), kZero, 112)) {
    return mapped(bytes.data() + 12);
  }
  return bytes;
}

const Range* range_of(const Bytes& bytes) {
  // Public addresses are given from 2000::/3; of the rest, what no row names is nobody's.
  static const Range kUnnamed[] = {{Bytes{}, 96, Tier::Exact, "a reserved address"},
                                   {Bytes{}, 3, Tier::Exact, "a reserved address"},
                                   {Bytes{0x40}, 2, Tier::Exact, "a reserved address"},
                                   {Bytes{0x80}, 1, Tier::Exact, "a reserved address"}};
  const auto holds = [&](const Range& range) {
    return starts_with(bytes.data(), range.prefix.data(), range.bits);
  };
  for (const Range& range : ranges())
    if (holds(range)) return &range;
  if (is_v4(bytes)) return nullptr;
  for (const Range& range : kUnnamed)
    if (holds(range)) return &range;
  return nullptr;
}

/// One spelling per host: lower case, no brackets, no final dot, addresses as inet_ntop has them.
std::string host_name(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  const std::string name = lower(text);
  if (const auto address = read_address(name)) return to_text(*address);
  return name;
}

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

tl::unexpected<Error> bad_setting(std::string message) {
  return fail(ErrorKind::Invalid, "bad_setting", std::move(message));
}

struct Prefix {
  Bytes bytes;
  int bits;
};

Result<Prefix> read_network(const std::string& entry) {
  const std::size_t slash = entry.find('/');
  const auto address = read_address(entry.substr(0, slash));
  const int length = address && is_v4(*address) ? 32 : 128;
  std::optional<int> bits = length;
  if (slash != std::string::npos)
    bits = read_number<int>(std::string_view{entry}.substr(slash + 1));
  if (!address || !bits || *bits < 0 || *bits > length) {
    return bad_setting(
        fmt::format("must be a network such as 10.0.0.0/8 or fd00::/8, found \"{}\"", entry));
  }
  Prefix prefix{*address, *bits + 128 - length};
  for (int bit = prefix.bits; bit < 128; ++bit) {
    prefix.bytes[static_cast<std::size_t>(bit / 8)] &=
        static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
  }
  if (prefix.bytes != *address) {
    return bad_setting(fmt::format(
        "must be a network, found \"{}\", an address inside of one; did you mean {}/{} or {}?",
        entry, to_text(prefix.bytes), *bits, to_text(*address)));
  }
  return prefix;
}

/// Whether a URL with this host means an address: "127.1" and "0x7f000001" never reach a name.
bool is_number(std::string_view host) {
  std::string_view label = host.substr(host.rfind('.') + 1);
  const bool hex = label.starts_with("0x");
  if (hex) label.remove_prefix(2);
  return (hex || !label.empty()) &&
         label.find_first_not_of(hex ? "0123456789abcdef" : "0123456789") == std::string_view::npos;
}

/// What else "::1:80" may have been meant as; empty where there is no doubt.
std::string doubt_of(std::string_view bare_v6) {
  const std::size_t colon = bare_v6.rfind(':');
  const std::string before{bare_v6.substr(0, colon)};
  const auto port = read_number<std::uint16_t>(bare_v6.substr(colon + 1));
  if (!port || *port == 0 || !read_address(before)) return {};
  return fmt::format("[{}]:{}", before, *port);
}

/// Name and port of "crm.internal", "127.0.0.1:8080", "[::1]:8080" or "::1".
Result<std::pair<std::string, std::uint16_t>> read_host(const std::string& entry) {
  std::string_view name = entry;
  std::uint16_t port = 0;
  bool readable = true;
  const std::size_t colon = name.rfind(':');
  const bool bare_v6 = std::count(name.begin(), name.end(), ':') > 1 && name.front() != '[';
  if (colon != std::string_view::npos && !bare_v6 && name.back() != ']') {
    port = read_number<std::uint16_t>(name.substr(colon + 1)).value_or(0);
    readable = port != 0;
    name = name.substr(0, colon);
  }
  const bool v6 = bare_v6 || (!name.empty() && name.front() == '[');
  const std::string host = host_name(name);
  const bool known =
      v6 ? read_address(host).has_value()
         : host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
  if (host.empty() || !known || !readable) {
    return bad_setting(
        fmt::format("must be a host such as crm.internal, localhost:8080 "
                    "or [::1]:8080 (no scheme, path or *), found \"{}\"",
                    entry));
  }
  if (!v6 && is_number(host) && !read_address(host))
    return bad_setting(fmt::format(
        "must be an IPv4 address as four numbers such as 127.0.0.1, found \"{}\"", entry));
  if (const std::string other = bare_v6 ? doubt_of(name) : ""; !other.empty())
    return bad_setting(
        fmt::format("must be clear, found \"{}\", which may mean an address or an address with a "
                    "port; write {} "
                    "or [{}]",
                    entry, other, name));
  return std::pair{host, port};
}
}  // namespace

Status AddressGuard::check_network(const std::string& entry) {
  const auto read = read_network(entry);
  return read ? Status{} : tl::make_unexpected(read.error());
}

Status AddressGuard::check_host(const std::string& entry) {
  const auto read = read_host(entry);
  return read ? Status{} : tl::make_unexpected(read.error());
}

Result<AddressGuard> AddressGuard::make(const Options& options) {
  const auto refused = [](std::string_view option, Error error) {
    error.message = fmt::format("{} {}", option, error.message);
    return tl::make_unexpected(std::move(error));
  };
  auto rules = std::make_shared<Rules>();
  for (const std::string& entry : options.allow_networks) {
    const auto prefix = read_network(entry);
    if (!prefix) return refused("--allow-network", prefix.error());
    Network network{};
    std::memcpy(network.bytes, prefix->bytes.data(), sizeof network.bytes);
    network.bits = prefix->bits;
    rules->networks.push_back(network);
  }
  for (const std::string& entry : options.allow_hosts) {
    auto host = read_host(entry);
    if (!host) return refused("--allow-host", host.error());
    rules->hosts.push_back({std::move(host->first), host->second});
  }
  AddressGuard guard;
  guard.shared_->rules = std::move(rules);
  return guard;
}

std::shared_ptr<const AddressGuard::Rules> AddressGuard::rules() const {
  const std::lock_guard lock{shared_->mutex};
  return shared_->rules;
}

void AddressGuard::replace(const AddressGuard& other) {
  auto rules = other.rules();
  const std::lock_guard lock{shared_->mutex};
  shared_->rules = std::move(rules);
  ++shared_->generation;
}

std::string AddressGuard::refuse_unresolved(std::string_view host, std::uint16_t port) const {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  const auto judge = [&](const Bytes& bytes) {
    std::memcpy(&address.sin6_addr, bytes.data(), bytes.size());
    return refuse(reinterpret_cast<const sockaddr*>(&address), host, port);
  };
  const std::string name = host_name(host);
  if (const auto literal = read_address(name)) return judge(*literal);
  // RFC 6761: these names are resolved to loopback. Either may be allowed by its network.
  if (name == "localhost" || name.ends_with(".localhost")) {
    const std::string refusal = judge(*read_address("127.0.0.1"));
    return refusal.empty() || judge(*read_address("::1")).empty() ? std::string{} : refusal;
  }
  // Any public address: only the port can be refused.
  return is_mail(port) ? judge(*read_address("8.8.8.8")) : std::string{};
}

std::string AddressGuard::refuse(const sockaddr* address, std::string_view host,
                                 std::uint16_t port) const {
  Bytes bytes{};
  if (address->sa_family == AF_INET) {
    in_addr v4 = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    bytes = mapped(reinterpret_cast<const std::uint8_t*>(&v4));
  } else if (address->sa_family == AF_INET6) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  } else {
    return "only IPv4 and IPv6 addresses may be called";
  }
  const std::string name = host_name(host);
  const std::string entry = name.find(':') == std::string::npos ? name : "[" + name + "]";
  const std::shared_ptr<const Rules> by = rules();
  const bool named = std::any_of(by->hosts.begin(), by->hosts.end(), [&](const Host& allowed) {
    return allowed.name == name && (allowed.port == port || (allowed.port == 0 && !is_mail(port)));
  });
  if (named) return {};
  if (is_mail(port)) {
    return fmt::format(
        "port {} is for mail and may be called only where the operator opened it: --allow-host "
        "{}:{}",
        port, entry, port);
  }

  const Bytes target = reached(bytes);
  const Range* range = range_of(target);
  if (!range) return {};
  for (const Network& network : by->networks) {
    const bool holds = starts_with(target.data(), network.bytes, network.bits);
    const bool inside = network.bits >= range->bits;
    if (holds && (range->tier == Tier::Private || inside)) return {};
  }

  std::string shown = to_text(bytes);
  if (target != bytes) shown += fmt::format(" (which reaches {})", to_text(target));
  const std::string called = to_text(target) == name ? "" : fmt::format(" of {}", host);
  return fmt::format(
      "{}{} is {}, which may be called only where the operator opened it: --allow-host {}:{} or "
      "--allow-network {}/{}",
      shown, called, range->kind, entry, port, to_text(target), is_v4(target) ? 32 : 128);
}
}  // namespace onward
