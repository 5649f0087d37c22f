#pragma once
// One contact, as it is named in a call and as it is answered.
#include <string>
#include <vector>

#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"

namespace onward {
struct ContactAnswer {
  Contact contact;
  Engagement engagement;
  bool created = false;
  std::vector<std::string> warnings;
};

/// How a contact is named in a path: by id, by email, or by internal number.
struct ContactName {
  std::string id;
  std::string email;
};
}  // namespace onward
