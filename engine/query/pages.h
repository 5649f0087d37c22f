#pragma once
// Lists for people, as they are answered.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/control/contact_answer.h"
#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/run.h"
#include "engine/store/rows.h"

namespace onward {
struct RunView {
  Run run;
  std::string scenario;               ///< Id.
  std::vector<std::string> node_ids;  ///< Of run.path, in order.
  std::string contact;                ///< The caller's id, or "email:…"; of lists of live runs.
  /// What came of the deliveries of run.path, in order; nothing where a step has none.
  std::vector<std::optional<Delivery>> deliveries;
};
/// Entries that were refused to a contact.
struct RefusedView {
  std::string scenario;
  bool test = false;
  Refusal refusal;
};
struct RunPage {
  std::vector<RunView> runs;
  std::string next;
  std::vector<RefusedView> refused;  ///< Of a contact's journey, on its first page.
};
struct DeliveryView {
  Delivery delivery;
  std::string scenario, node;              ///< Ids.
  std::string contact;                     ///< The caller's id, or "email:…".
  std::shared_ptr<const Request> request;  ///< Only for one.
  std::vector<Attempt> attempts;           ///< Only for one.
};
struct DeliveryPage {
  std::vector<DeliveryView> deliveries;
  std::string next;
};

struct ContactPage {
  std::vector<ContactAnswer> contacts;  ///< Oldest first.
  std::string next;
};
}  // namespace onward
