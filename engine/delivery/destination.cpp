#include "engine/delivery/destination.h"

#include <fmt/core.h>

#include <new>
#include <utility>

#include "engine/core/base/text.h"

namespace onward {
namespace {
/// What is to be looked up. An address is not: libcurl's parser has brought its short, octal and
/// hexadecimal spellings into the plain form by now. With a final dot it is a name to libcurl, but
/// none that anybody could know.
std::string origin_name(const std::string& host) {
  if (host.starts_with('[') || IpAddress::parse(host)) return {};
  const std::string undotted = host.substr(0, host.size() - (host.ends_with('.') ? 1 : 0));
  return lower(IpAddress::parse(undotted) ? undotted : host);
}

/// For whatever host and port the URL names: how they are written there does not matter.
curl_slist* make_connect_to(const IpAddress& address) {
  const std::string text = address.text();
  const std::string entry = address.ipv6() ? fmt::format("::[{}]:", text) : "::" + text + ":";
  curl_slist* list = curl_slist_append(nullptr, entry.c_str());
  if (!list) throw std::bad_alloc{};
  return list;
}
}  // namespace

void Destination::set_target(std::string host, std::uint16_t port) {
  host_ = std::move(host);
  port_ = port;
  name_ = origin_name(host_);
  begin_literal();
}

std::string Destination::where() const { return fmt::format("{}:{}", host_, port_); }

void Destination::begin_literal() {
  found_.reset();
  stops_.clear();
  at_ = 0;
}

std::string Destination::begin(std::shared_ptr<const LookUp> found, const AddressGuard* guard) {
  at_ = 0;
  const std::uint64_t generation = guard == nullptr ? 0 : guard->generation();
  if (found == found_ && generation == judged_by_) return refusal_;
  found_ = std::move(found);
  judged_by_ = generation;
  stops_.clear();
  refusal_.clear();
  for (const IpAddress& address : found_->addresses) {
    std::string refusal = guard ? guard->refuse(address.get(), host_, port_) : std::string{};
    if (refusal.empty()) {
      stops_.push_back({address, {make_connect_to(address), {}}});
      if (stops_.size() == kAddressesMax) break;
    } else if (refusal_.empty()) {
      refusal_ = std::move(refusal);
    }
  }
  if (!stops_.empty()) refusal_.clear();
  return refusal_;
}

const IpAddress* Destination::address() const {
  return stops_.empty() ? nullptr : &stops_[at_].address;
}

curl_slist* Destination::connect_to() const {
  return stops_.empty() ? nullptr : stops_[at_].connect_to.get();
}
}  // namespace onward
