#pragma once
// Holds answers to what /openapi.json promises of them.
#include <memory>
#include <span>
#include <string>

#include "engine/api/router.h"

namespace onward {
class Contract {
 public:
  explicit Contract(std::span<const Route> routes);
  ~Contract();

  /// How the answer differs from what its operation promises: a status or a media type that is not
  /// named, a body that its schema refuses, a code that is not listed. Empty where it keeps it, and
  /// where the request found no route.
  std::string breach(const Router& router, const ApiRequest& request, const ApiReply& reply) const;

 private:
  struct Document;
  std::unique_ptr<Document> document_;
};
}  // namespace onward
