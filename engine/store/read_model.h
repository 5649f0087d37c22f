#pragma once
// Lists and single rows for people: what they ask of a store.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/ledger.h"
#include "engine/core/journey/run.h"
#include "engine/store/control_store.h"
#include "engine/store/rows.h"

namespace onward {
/// Lists for people, each of one moment, with all that was committed before it. Its own connection,
/// its own thread. Cursors are opaque; "" is the beginning and, in an answer, the end.
class ReadModel : public ControlReader {
 public:
  /// From now on every call answers from one snapshot, until `release`. Where none can be taken, or
  /// the store has none, each call has its own.
  virtual void hold() {}
  virtual void release() {}
  struct RunList {
    std::vector<Run> runs;  ///< Newest first.
    std::string next;
  };
  struct DeliveryList {
    std::vector<Delivery> deliveries;  ///< Newest first.
    std::string next;
  };
  struct DeliveryDetail {
    Delivery delivery;
    std::shared_ptr<const Request> request;
    std::vector<Attempt> attempts;  ///< All, by number.
  };
  virtual Result<IdentityMatch> identify(const IdentityQuery& query) = 0;
  virtual Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) = 0;
  virtual Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) = 0;
  virtual Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                          std::optional<DeliveryState> state, std::size_t limit,
                                          std::string_view cursor) = 0;
  virtual Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) = 0;
  /// Live runs of all contacts, by contact, then oldest first. A search that finds few stops after
  /// a while: a page may be short, or empty, and go on.
  struct RunFilter {
    ScenarioKey scenario;           ///< 0: of all.
    std::optional<RunState> state;  ///< Waiting or Parked.
    NodeNumber node;                ///< Where it is; 0: anywhere.
    std::string reason;             ///< Of a parked one; empty: any.
    RunKey run;                     ///< This one alone; 0: any.
  };
  virtual Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                                    std::string_view cursor) = 0;
  /// A contact's rows without a key, by scenario, live before test.
  virtual Result<std::vector<LedgerRow>> ledger(ContactKey contact) = 0;

  struct ContactList {
    std::vector<std::pair<Contact, Engagement>> contacts;  ///< By key: oldest first.
    bool more = false;                                     ///< There are further ones.
  };
  /// Contacts behind `after`, which need not exist (the zero key is before all), at most `limit`.
  /// Fewer come where they are large; never none while there are some.
  virtual Result<ContactList> contacts(ContactKey after, std::size_t limit) = 0;
};
bool fits(const ReadModel::RunFilter& filter, const Run& run);
/// Live runs that one search looks at.
inline constexpr std::size_t kRunsSearched = 50'000;
}  // namespace onward
