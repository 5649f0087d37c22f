#pragma once
// A node kind with a fault of ours: it throws where a test says so.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "nodes/nodes.h"

namespace onward {
/// While `armed`, `bomb` nodes throw when a contact whose id begins with "boom" arrives; while
/// `unbuildable`, when a scenario that has one is built.
struct Bomb {
  static inline std::atomic<bool> armed{false}, unbuildable{false};

  Bomb() { armed = unbuildable = false; }
  ~Bomb() { armed = unbuildable = false; }
  Bomb(const Bomb&) = delete;
  Bomb& operator=(const Bomb&) = delete;
};

class BombNode final : public Node {
 public:
  explicit BombNode(Settings&) {
    if (Bomb::unbuildable) throw std::logic_error{"the bomb was built"};
  }
  Outcome enter(const Visit& visit) const override {
    if (Bomb::armed && visit.contact.id && visit.contact.id->text.starts_with("boom"))
      throw std::out_of_range{"the bomb went off"};
    return leave_by("next");
  }
};

/// The usual kinds, and `bomb`.
inline const NodeKinds& kinds_with_bomb() {
  static const NodeKinds kinds = [] {
    NodeKinds all = node_kinds();
    all.push_back({.name = "bomb",
                   .family = NodeFamily::Action,
                   .summary = "Throws.",
                   .make = make_node<BombNode>});
    return all;
  }();
  return kinds;
}
}  // namespace onward
