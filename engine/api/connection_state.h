#pragma once
// What a connection waits for, and its rank among the others that follows from it.
#include <cstdint>

#include "engine/api/connection_ranks.h"

namespace onward {
enum class ConnectionPhase : std::uint8_t { Idle, Header, Body, Busy, Writing, Lingering };

/// Keeps a connection in its rank. One thread.
class ConnectionState {
 public:
  ConnectionState(Connection* connection, ConnectionRanks& ranks)
      : ranks_{ranks}, place_{ranks.join(connection, rank_)} {}
  ~ConnectionState() { ranks_.leave(place_, rank_); }
  ConnectionState(const ConnectionState&) = delete;
  ConnectionState& operator=(const ConnectionState&) = delete;

  ConnectionPhase phase() const { return phase_; }
  void enter(ConnectionPhase phase) {
    phase_ = phase;
    const auto rank = rank_of(phase);
    ranks_.move(place_, rank_, rank);
    rank_ = rank;
  }

  /// The client has shown a valid token or secret. Counts from the next phase on.
  bool is_known() const { return known_; }
  void know() { known_ = true; }

 private:
  ConnectionRanks::Rank rank_of(ConnectionPhase phase) const {
    using Rank = ConnectionRanks::Rank;
    if (known_) return phase == ConnectionPhase::Idle ? Rank::KnownIdle : Rank::InUse;
    switch (phase) {
      case ConnectionPhase::Idle:
        return Rank::StrangerIdle;
      case ConnectionPhase::Header:
        return Rank::StrangerHeader;
      case ConnectionPhase::Body:
        return Rank::StrangerBody;
      case ConnectionPhase::Writing:
      case ConnectionPhase::Lingering:
        return Rank::StrangerWriting;
      case ConnectionPhase::Busy:
        return Rank::InUse;
    }
    return Rank::InUse;
  }

  ConnectionRanks& ranks_;
  ConnectionPhase phase_ = ConnectionPhase::Idle;
  bool known_ = false;
  ConnectionRanks::Rank rank_ = ConnectionRanks::Rank::StrangerIdle;
  ConnectionRanks::Place place_;
};
}  // namespace onward
