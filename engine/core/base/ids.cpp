#include "engine/core/base/ids.h"

namespace onward {
namespace {
constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kNumberLength = 13;
constexpr std::size_t kEpochLength = 12;
}  // namespace

std::string to_base32(std::uint64_t number) {
  std::string text(kNumberLength, '0');
  for (std::size_t i = kNumberLength; i-- > 0; number >>= 5) text[i] = kDigits[number & 31];
  return text;
}

std::optional<std::uint64_t> from_base32(std::string_view text) {
  if (text.size() != kNumberLength) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos || number >> 59 != 0) return std::nullopt;
    number = number << 5 | digit;
  }
  return number;
}

std::string format_run(RunKey run) { return "run_" + to_base32(run.value); }

std::optional<RunKey> parse_run(std::string_view text) {
  if (!text.starts_with("run_")) return std::nullopt;
  const auto number = from_base32(text.substr(4));
  if (!number) return std::nullopt;
  return RunKey{*number};
}

std::string format_delivery(std::string_view epoch, DeliveryKey delivery) {
  std::string text;
  text.reserve(4 + epoch.size() + kNumberLength);
  text += "evt_";
  text += epoch;
  text += to_base32(delivery.value);
  return text;
}

const std::string& Epochs::of(DeliveryKey delivery) const {
  for (const Past& past : past_)
    if (delivery <= past.last) return past.epoch;
  return newest_;
}

std::string format_delivery(const Epochs& epochs, DeliveryKey delivery) {
  return format_delivery(std::string_view{epochs.of(delivery)}, delivery);
}

std::string readable_epoch(std::string_view epoch) {
  std::string text{epoch.substr(0, kEpochLength)};
  text.resize(kEpochLength, kDigits.front());
  for (char& c : text)
    if (kDigits.find(c) == std::string_view::npos) c = kDigits.front();
  return text;
}

std::optional<DeliveryKey> parse_delivery(std::string_view text) {
  if (!text.starts_with("evt_") || text.size() != 4 + kEpochLength + kNumberLength)
    return std::nullopt;
  const auto number = from_base32(text.substr(4 + kEpochLength));
  if (!number) return std::nullopt;
  return DeliveryKey{*number};
}
}  // namespace onward
