#pragma once
// What the harness throws: the death of the process, and a promise that was broken.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/guard/guarded.h"

namespace onward::chaos {
/// The process dies here: nothing of it runs on.
struct Crash : PassesThrough {};

/// The world feeds itself (a run changes its contact, which starts the next one, each second for
/// months): it is left as it is.
struct Enough : PassesThrough {};

/// Something that Onward promises did not hold.
struct Broken : PassesThrough {
  Broken(std::string of, std::string what) : promise{std::move(of)}, detail{std::move(what)} {}

  std::string promise;  ///< One of the names in promises.h.
  std::string detail;
};

/// Mistakes that are made on purpose, to see that they are found.
enum class Plant : std::uint8_t {
  None,
  AnswerBeforeSync,  ///< Answers and requests leave before the disk has what caused them.
  LoseCommit,        ///< A start skips a commit that was durable.
  CountTwice,        ///< A start applies the numbers of a commit twice.
  TakeTwice,         ///< A repeated event is not recognised.
  DropRetry,         ///< A delivery that was refused is not found again when it is due.
  DropTimer,         ///< The timer of a wait is not kept.
  EarlyTimer,        ///< Timers are told ten minutes before they are due.
  EarlyRetry,        ///< Refused deliveries are told ten minutes before they are due.
  OtherBody,         ///< A retry sends something else.
  LoseOutcome,       ///< What a receiver answered is acknowledged by the disk, and gone.
  StaleContact,      ///< A contact is read without what was last written of it.
  TwoDeliveries,     ///< A visit asks for two deliveries.
  ShortKeep,         ///< Rows are taken away after a quarter of their time.
  KeepBodies,        ///< Requests are not found when it is time to take them away.
  LosePurge,         ///< The store keeps requests that it was told to take away.
  ForgetSeenEarly,   ///< The ids of events are forgotten as if their time were over.
  RememberSeen,      ///< And these never.
  OldSecret,         ///< Attempts use the values of the start.
  SecretInClear,     ///< What a receiver repeats of a secret is stored.
  LoseSecret,        ///< A start skips changes of secrets.
  ReviveToken,       ///< A start skips the revocation of tokens.
  LoseImportRow,     ///< Some rows of an import are acknowledged, and not written.
  MissRun,           ///< Of several live runs of a contact a migration finds all but one.
  BatchAgain,        ///< A batch is sent once more after it has ended.
  SendPaused,        ///< What a paused node has sent before is sent again.
  MissParking,       ///< A pause does not find one of the deliveries.
  MissInBulk,        ///< A bulk command does not find the last delivery.
  LieAboutSync,      ///< On SQLite: the disk says that it has synced, and has not.
};
std::string_view to_string(Plant plant);
}  // namespace onward::chaos
