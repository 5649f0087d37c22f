#pragma once
// The node kinds that Onward has. To add one: docs/internals/architecture.md, "A node kind".
#include "engine/core/scenario/node.h"

namespace onward {
/// All of them, in the order of the documentation. Lives as long as the program.
const NodeKinds& node_kinds();

NodeKind trigger_kind();
NodeKind trigger_segment_kind();
NodeKind trigger_date_kind();
NodeKind condition_kind();
NodeKind send_webhook_kind();
NodeKind wait_kind();
NodeKind wait_until_kind();
NodeKind split_kind();
NodeKind update_contact_kind();
}  // namespace onward
