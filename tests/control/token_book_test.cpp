// How a token is looked up: what is compared, how often, and by what. How long it takes is only
// shown, never judged: that depends on the machine.
#include "engine/control/token_book.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <vector>

#include "engine/secrets/bytes.h"

namespace {
struct Compared {
  std::size_t calls = 0, bytes = 0;
};
Compared compared;
}  // namespace

/// OpenSSL's own comparison is called by its name, so this one stands in for it in this program.
extern "C" int CRYPTO_memcmp(const void* a, const void* b, std::size_t length) {
  ++compared.calls;
  compared.bytes += length;
  const auto* one = static_cast<const volatile unsigned char*>(a);
  const auto* other = static_cast<const volatile unsigned char*>(b);
  unsigned char differ = 0;
  for (std::size_t i = 0; i < length; ++i)
    differ = static_cast<unsigned char>(differ | (one[i] ^ other[i]));
  return differ;
}

namespace onward {
namespace {
constexpr std::size_t kDigits = 64;  // of SHA-256 in hex

/// As many as there may be, their hashes far apart.
std::vector<TokenRecord> many() {
  std::vector<TokenRecord> tokens;
  for (std::size_t i = 0; i < kTokensMax; ++i)
    tokens.push_back({.sha256 = fmt::format("{:02x}", i) + std::string(kDigits - 2, 'a'),
                      .name = fmt::format("t{}", i)});
  return tokens;
}

/// What one look-up compared.
Compared cost_of(const TokenBook& book, std::string_view hash) {
  compared = {};
  (void)book.find(hash);
  return compared;
}
}  // namespace

TEST_CASE("fault 82: whichever token is asked for, all hashes are compared, each whole",
          "[control][tokens]") {
  const TokenBook book{many()};
  const std::string first = book.all().front().sha256, last = book.all().back().sha256;
  std::string nearly = first;
  nearly.back() = 'b';
  REQUIRE(book.find(first)->name == "t0");
  REQUIRE(book.find(last)->name == fmt::format("t{}", kTokensMax - 1));
  REQUIRE(book.find(nearly) == nullptr);
  for (const std::string& hash : {first, last, nearly, std::string(kDigits, '0'),
                                  std::string(kDigits, 'f'), "f" + first.substr(1)}) {
    CAPTURE(hash);
    const Compared cost = cost_of(book, hash);
    CHECK(cost.calls == kTokensMax);
    CHECK(cost.bytes == kTokensMax * kDigits);
  }
  // The length of a hash is known to all; none of another one is looked at.
  CHECK(cost_of(book, first.substr(1)).calls == 0);
  CHECK(cost_of(book, "").calls == 0);
}

TEST_CASE("secrets are compared by what takes as long whatever differs", "[control][tokens]") {
  const std::string secret(40, 's');
  std::string other = secret;
  for (const std::size_t at : {0, 20, 39}) {
    other = secret;
    other[at] = 'x';
    compared = {};
    CHECK_FALSE(same_secret(secret, other));
    CHECK(compared.calls == 1);
    CHECK(compared.bytes == 40);
  }
  compared = {};
  CHECK(same_secret(secret, secret));
  CHECK(compared.calls == 1);
}

// Not run unless it is named: `onward_control_tests "[timing]"`. It prints means and Welch's t
// between look-ups that differ early and late; |t| far beyond 5, again and again, would be a sign.
TEST_CASE("fault 82, to look at: how long look-ups take", "[.][timing]") {
  using Clock = std::chrono::steady_clock;
  const TokenBook book{many()};
  const std::string early = "f" + std::string(kDigits - 1, '0');
  std::string late = book.all().front().sha256;
  late.back() = 'b';
  struct Sample {
    double sum = 0, squares = 0;
    double count = 0;
    void add(double ns) {
      sum += ns;
      squares += ns * ns;
      ++count;
    }
    double mean() const { return sum / count; }
    double variance() const { return squares / count - mean() * mean(); }
  } samples[2];
  constexpr int kRounds = 100'000;
  std::uint64_t seed = 1;
  for (int round = 0; round < kRounds; ++round) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    const int which = static_cast<int>(seed >> 63);
    const Clock::time_point begun = Clock::now();
    const bool found = book.find(which == 0 ? early : late) != nullptr;
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - begun).count();
    REQUIRE_FALSE(found);
    if (ns < 100'000) samples[which].add(ns);  // Where the process was not interrupted.
  }
  const double t =
      (samples[0].mean() - samples[1].mean()) / std::sqrt(samples[0].variance() / samples[0].count +
                                                          samples[1].variance() / samples[1].count);
  WARN(fmt::format("differs in the first digit: {:.1f} ns; in the last: {:.1f} ns; t = {:.2f}",
                   samples[0].mean(), samples[1].mean(), t));
}
}  // namespace onward

namespace onward {
TEST_CASE("the last admin token that does not expire cannot be removed", "[control][tokens]") {
  const Instant later{std::chrono::hours{24}};
  const TokenRecord admin{.name = "a", .role = Role::Admin};
  const TokenRecord reader{.name = "r", .role = Role::Read};
  const TokenRecord expiring{.name = "e", .role = Role::Admin, .expires = later};
  const TokenBook one{{admin, reader, expiring}};
  CHECK(one.removal("a").error().code == "last_admin");
  CHECK(one.removal("r"));
  CHECK(one.removal("e"));
  CHECK(one.with({.name = "b", .role = Role::Admin}).removal("a"));
}
}  // namespace onward
