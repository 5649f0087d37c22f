#include "engine/api/outgoing_answer.h"

#include <catch2/catch.hpp>
#include <string>

#include "engine/api/connection_ranks.h"

namespace onward {
namespace {
std::string sent_in_pieces(OutgoingAnswer& answer, std::size_t most) {
  std::string all;
  while (!answer.is_sent()) {
    const std::string_view piece = answer.unsent().first.substr(0, most);
    REQUIRE(!piece.empty());
    all += piece;
    answer.sent(piece.size());
  }
  return all;
}

TEST_CASE("an answer has its content once, however it is sent", "[api][server]") {
  for (const std::size_t size : {0u, 10u, 16u << 10, (16u << 10) + 1, 100'000u}) {
    const std::string content(size, 'x');
    for (const std::size_t most : {1'000u, 200'000u}) {
      OutgoingAnswer answer;
      answer.set({.body = content}, {});
      CHECK(answer.memory() >= size);
      const std::size_t whole = answer.size();
      const std::string text = sent_in_pieces(answer, most);
      CHECK(text.size() == whole);
      CHECK(text.substr(text.find("\r\n\r\n") + 4) == content);
      CHECK(answer.unsent().first.empty());
      CHECK(answer.unsent().second.empty());
    }
  }
}

TEST_CASE("the form of an answer decides its header and whether it has a content",
          "[api][server]") {
  const auto text = [](const AnswerForm& form) {
    OutgoingAnswer answer;
    answer.set({.body = "abc"}, form);
    return sent_in_pieces(answer, 1'000);
  };
  CHECK(text({}).ends_with("nosniff\r\n\r\nabc"));
  CHECK(text({}).find("Connection:") == std::string::npos);
  CHECK(text({.keep_alive = false}).find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(text({.http10 = true}).find("\r\nConnection: keep-alive\r\n") != std::string::npos);
  const std::string head = text({.head_only = true});
  CHECK(head.find("\r\nContent-Length: 3\r\n") != std::string::npos);
  CHECK(head.ends_with("nosniff\r\n\r\n"));
}

TEST_CASE("of two ranks the connection that entered its rank first comes first", "[api][server]") {
  using Rank = ConnectionRanks::Rank;
  int storage[2];
  auto* const a = reinterpret_cast<Connection*>(&storage[0]);
  auto* const b = reinterpret_cast<Connection*>(&storage[1]);
  ConnectionRanks ranks;
  CHECK(ranks.first(Rank::StrangerHeader, Rank::StrangerBody) == nullptr);
  const auto place_of_a = ranks.join(a, Rank::StrangerHeader);
  const auto place_of_b = ranks.join(b, Rank::StrangerBody);
  CHECK(ranks.first(Rank::StrangerHeader, Rank::StrangerBody) == a);
  CHECK(ranks.first(Rank::StrangerBody, Rank::StrangerHeader) == a);
  ranks.move(place_of_a, Rank::StrangerHeader, Rank::StrangerBody);
  ranks.move(place_of_b, Rank::StrangerBody, Rank::StrangerHeader);
  CHECK(ranks.first(Rank::StrangerHeader, Rank::StrangerBody) == a);
  ranks.move(place_of_a, Rank::StrangerBody, Rank::StrangerBody);
  CHECK(ranks.first(Rank::StrangerHeader, Rank::StrangerBody) == b);
  ranks.leave(place_of_b, Rank::StrangerHeader);
  CHECK(ranks.first(Rank::StrangerHeader, Rank::StrangerBody) == a);
}
}  // namespace
}  // namespace onward
