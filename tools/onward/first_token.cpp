#include "tools/onward/first_token.h"

#include <fmt/format.h>

#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include "engine/api/access.h"
#include "engine/disk/durable_file.h"
#include "tools/onward/server_file.h"

namespace onward {
Status FirstToken::prepare(const std::filesystem::path& file, bool store_has_tokens) {
  if (store_has_tokens) return {};
  token_ = read_token_file(file);
  if (token_) {
    // The process that wrote the file may have ended before it was durable.
    const auto fault = sync_file(file);
    if (!fault) return {};
    return fail(ErrorKind::Io, "cannot_write",
                fmt::format("Cannot sync {}: {} ({}).", file.string(), std::strerror(fault->error),
                            fault->step));
  }
  auto made = new_token();
  if (!made) return tl::make_unexpected(made.error());
  if (Status written = write_file(file, *made + "\n", 0600); !written) return written;
  token_ = std::move(*made);
  made_ = file;
  return {};
}

void FirstToken::remove_made() {
  std::error_code ignored;
  if (!made_.empty()) std::filesystem::remove(made_, ignored);
}

Status FirstToken::issue(Runtime& runtime) const {
  if (!token_) return {};
  auto added = std::make_shared<std::promise<Status>>();
  auto answer = added->get_future();
  runtime.calls().post(
      Reply<TokenRecord>{[promise = std::move(added)](const Result<TokenRecord>& issued) {
        promise->set_value(issued ? Status{} : tl::make_unexpected(issued.error()));
      }},
      [token = TokenRecord{.sha256 = sha256_hex(*token_), .name = "first", .role = Role::Admin}](
          Cell& cell) { return cell.access().issue_token(token); });
  try {
    return answer.get();
  } catch (const std::future_error&) {  // given up by an exception
    return fail(ErrorKind::Io, "engine_stopped", runtime.failure());
  }
}
}  // namespace onward
