#pragma once
// Requests to receivers on this machine, made with the real client.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/delivery/curl_http_client.h"

namespace onward {
inline AddressGuard open_guard() {
  return *AddressGuard::make({.allow_networks = {"127.0.0.0/8"}});
}

inline std::unique_ptr<HttpClient> open_client() {
  return make_curl_client({.guard = open_guard()});
}

/// Longer than any answer takes that comes at all, on a machine with much else to do.
constexpr Duration kPatience = std::chrono::seconds{60};

/// Short time-outs let tests end soon that wait for one; where the machine is busy they may be over
/// before that has happened which should come first. So `attempt` is made with longer and longer
/// ones until `holds`; what came of the last is judged.
template <class Attempt, class Holds>
auto patiently(Duration first, Attempt attempt, Holds holds) {
  for (Duration timeout = first;; timeout *= 6) {
    auto result = attempt(timeout);
    if (holds(result) || timeout >= kPatience) return result;
  }
}

/// Of a reply: there was time enough to hear from the receiver.
inline bool in_time(const HttpReply& reply) {
  return reply.code != "timeout" && reply.code != "connect_timeout";
}

inline HttpRequest request_to(std::string url, Duration timeout = kPatience) {
  HttpRequest request;
  request.request = std::make_shared<Request>(Request{
      .url = std::move(url), .headers = {{"Content-Type", "application/json"}}, .body = "{}"});
  request.connect_timeout = timeout;
  request.timeout = timeout;
  request.want_body = true;
  return request;
}

inline std::vector<HttpReply> call_all(HttpClient& client, std::vector<HttpRequest> requests) {
  std::uint64_t token = 0;
  const std::size_t count = requests.size();
  for (HttpRequest& request : requests) {
    request.token = ++token;
    client.start(std::move(request));
  }
  std::vector<HttpReply> replies;
  while (replies.size() < count) client.poll(std::chrono::seconds{10}, replies);
  CHECK(client.in_flight() == 0);
  return replies;
}

inline HttpReply call(HttpClient& client, HttpRequest request) {
  std::vector<HttpRequest> one;
  one.push_back(std::move(request));
  return call_all(client, std::move(one)).front();
}

/// A port of this machine where nobody listens.
inline std::uint16_t closed_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(socket);
  return ntohs(address.sin_port);
}
}  // namespace onward
