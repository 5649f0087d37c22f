#include "engine/control/version_texts.h"

#include <utility>

namespace onward {
tl::unexpected<Error> text_missing() {
  return fail(ErrorKind::Internal, "text_missing",
              "the text of this version is not in the database; run onward doctor");
}

Result<std::string> text_of_version(ControlReader& reader, ScenarioKey scenario, Version version) {
  auto text = reader.version_text(scenario, version);
  if (!text) return tl::make_unexpected(std::move(text.error()));
  if (!*text) return text_missing();
  return **std::move(text);
}

Result<std::string> VersionTexts::read(ScenarioKey scenario, Version version) {
  const std::lock_guard lock{mutex_};
  if (!reader_) return fail(ErrorKind::Unavailable, "stopping", "the server is stopping");
  ++reads_;
  return text_of_version(*reader_, scenario, version);
}

void VersionTexts::close() {
  const std::lock_guard lock{mutex_};
  reader_.reset();
}

std::uint64_t VersionTexts::reads() const {
  const std::lock_guard lock{mutex_};
  return reads_;
}
}  // namespace onward
