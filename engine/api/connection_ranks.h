#pragma once
// Which connection is closed first when a new one finds all of them taken.
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>

namespace onward {
class Connection;

/// Connections by what they wait for; within a rank the one that has waited longest comes first.
/// Every operation takes constant time. One thread.
class ConnectionRanks {
 public:
  /// In the order in which they are given up. A stranger has shown no valid token or secret.
  enum class Rank : std::uint8_t {
    StrangerIdle,
    StrangerHeader,   ///< Part of a header has arrived.
    StrangerWriting,  ///< An answer waits to be read.
    StrangerBody,
    KnownIdle,
    InUse,  ///< Never given up.
  };
  struct Entry {
    Connection* connection;
    std::uint64_t entered;  ///< Greater for those that entered their rank later.
  };
  using Place = std::list<Entry>::iterator;

  Place join(Connection* connection, Rank rank) {
    auto& list = lists_[index(rank)];
    return list.insert(list.end(), {connection, ++entries_});
  }
  void move(Place place, Rank from, Rank to) {
    place->entered = ++entries_;
    lists_[index(to)].splice(lists_[index(to)].end(), lists_[index(from)], place);
  }
  void leave(Place place, Rank rank) { lists_[index(rank)].erase(place); }

  /// The connection to give up; null where all are in use.
  Connection* first() const {
    for (std::size_t i = 0; i < index(Rank::InUse); ++i)
      if (!lists_[i].empty()) return lists_[i].front().connection;
    return nullptr;
  }
  /// The one that has been in one of the two ranks longest; null where none is.
  Connection* first(Rank one, Rank other) const {
    const auto& a = lists_[index(one)];
    const auto& b = lists_[index(other)];
    if (a.empty() || b.empty())
      return a.empty() && b.empty() ? nullptr : (a.empty() ? b : a).front().connection;
    return (a.front().entered < b.front().entered ? a : b).front().connection;
  }

 private:
  static std::size_t index(Rank rank) { return static_cast<std::size_t>(rank); }
  std::array<std::list<Entry>, static_cast<std::size_t>(Rank::InUse) + 1> lists_;
  std::uint64_t entries_ = 0;
};
}  // namespace onward
