#include "nodes/nodes.h"

namespace onward {
const NodeKinds& node_kinds() {
  static const NodeKinds kKinds{trigger_kind(),    trigger_segment_kind(), trigger_date_kind(),
                                condition_kind(),  split_kind(),           wait_kind(),
                                wait_until_kind(), update_contact_kind(),  send_webhook_kind()};
  return kKinds;
}
}  // namespace onward
