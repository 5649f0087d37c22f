#pragma once
// The request that a connection reads, with the bytes and the memory that it takes.
#include <memory>
#include <string>
#include <string_view>

#include "engine/api/body_budget.h"
#include "engine/api/request_reader.h"

namespace onward {
/// One request after another. One thread.
class IncomingRequest {
 public:
  /// `peer` is the address of the other end, or empty.
  IncomingRequest(const RequestLimits& limits, BodyBudget& bodies, std::string peer)
      : limits_{limits}, bodies_{bodies}, peer_{std::move(peer)} {}

  /// What was kept, with `bytes` behind it. Valid until the next call.
  std::string_view append(std::string_view bytes);
  /// What was read and is not parsed yet.
  std::string_view kept() const { return unparsed_; }

  /// Begins a request unless one has begun. `proven`: the client has shown a token or a secret.
  void begin(bool proven);
  bool has_begun() const { return reader_ != nullptr; }
  /// Of the request that has begun.
  RequestReader& reader() { return *reader_; }
  const RequestReader& reader() const { return *reader_; }
  /// Parses, and removes from `bytes` what is parsed.
  RequestReader::Step read(std::string_view& bytes);
  /// Keeps `rest`, which may be a part of what is kept, and counts the memory of the request.
  /// False: that is more than there is room for.
  bool keep(std::string_view rest, bool proven);
  /// Counts the memory of the request as one whose sender has, or has not, shown a token or a
  /// secret.
  void charge_as(bool proven) { reader_->charge = bodies_.open(proven); }

  /// The request that has begun ends here; what was sent behind it stays.
  std::unique_ptr<RequestReader> take() { return std::move(reader_); }
  /// Also what was sent behind it.
  void forget();

 private:
  const RequestLimits limits_;
  BodyBudget& bodies_;
  const std::string peer_;
  std::unique_ptr<RequestReader> reader_;
  std::string unparsed_;
  BodyBudget::Charge charge_;  ///< For `unparsed_`; what is parsed counts in the reader's charge.
};
}  // namespace onward
