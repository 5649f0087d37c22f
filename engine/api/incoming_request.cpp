#include "engine/api/incoming_request.h"

namespace onward {
std::string_view IncomingRequest::append(std::string_view bytes) {
  if (unparsed_.empty()) return bytes;
  unparsed_ += bytes;
  return unparsed_;
}

void IncomingRequest::begin(bool proven) {
  if (reader_) return;
  reader_ = std::make_unique<RequestReader>(limits_, peer_);
  charge_as(proven);
}

RequestReader::Step IncomingRequest::read(std::string_view& bytes) {
  std::size_t used = 0;
  const auto step = reader_->read(bytes, used);
  bytes.remove_prefix(used);
  return step;
}

bool IncomingRequest::keep(std::string_view rest, bool proven) {
  // A text of its own size, so that other memory is given back.
  if (rest.size() != unparsed_.size() || rest.data() != unparsed_.data())
    std::string{rest}.swap(unparsed_);
  const bool parsed_fits = reader_->charge.set(reader_->memory());
  charge_ = {};
  if (unparsed_.empty()) return parsed_fits;
  charge_ = bodies_.open(proven);
  return charge_.set(unparsed_.capacity()) && parsed_fits;
}

void IncomingRequest::forget() {
  reader_.reset();
  std::string{}.swap(unparsed_);
  charge_ = {};
}
}  // namespace onward
