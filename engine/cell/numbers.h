#pragma once
#include "engine/core/base/ids.h"
#include "engine/store/store.h"

namespace onward {
/// The greatest numbers that a cell has given.
struct Numbers {
  Numbering numbering;
  Sequence sequence = 0;
  ContactKey contact;
  TextKey text;

  Sequence next_sequence() { return sequence = numbering.next(sequence); }
  ContactKey next_contact() { return contact = numbering.next(contact); }
  TextKey next_text() { return {++text.value}; }
};
}  // namespace onward
