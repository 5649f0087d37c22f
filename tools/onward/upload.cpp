#include "tools/onward/upload.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/text.h"
#include "tools/onward/table.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
constexpr int kPatienceTries = 60;              // answers of 503, one after the other
constexpr std::chrono::seconds kSaidEvery{30};  // why an import waits
constexpr std::int64_t kToldMax = 20;           // refusals on standard error
}  // namespace

InputFile::InputFile(const std::string& file)
    : name_{file == "-" ? "standard input" : file}, standard_{file == "-"} {
  if (standard_) return;
  errno = 0;
  file_.open(file, std::ios::binary);
  fault_ = errno;
}

Status InputFile::open() {
  if (standard_) return {};
  if (file_.is_open()) {
    // A folder opens, and fails at the first byte only; so does nothing else.
    errno = 0;
    file_.peek();
    fault_ = errno;
    if (file_.eof() && !file_.bad()) file_.clear();
    if (file_.good()) return {};
  }
  return fail(fault_ == EACCES ? ErrorKind::Forbidden : ErrorKind::NotFound, "cannot_read",
              fmt::format("Cannot read {}: {}.", name_,
                          fault_ == 0 ? "reading failed" : std::strerror(fault_)));
}

std::istream& InputFile::stream() {
  return standard_ ? std::cin : static_cast<std::istream&>(file_);
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code fault;
  return std::filesystem::equivalent(a, b, fault) && !fault;
}

bool Lines::next(std::size_t most, std::vector<Line>& lines) {
  lines.clear();
  std::size_t bytes = 0;
  while (lines.size() < most) {
    if (!kept_ && !read()) break;
    kept_ = false;
    if (is_blank(line_)) continue;
    kept_ = !lines.empty() && bytes + line_.size() >= kChunkBytesMax;
    if (kept_) break;  // The first of the next chunk.
    bytes += line_.size() + 1;
    lines.push_back({number_, line_});
  }
  return !lines.empty();
}

bool Lines::read() {
  if (!std::getline(in_, line_)) return false;
  if (number_ == 0 && line_.starts_with("\xef\xbb\xbf")) line_.erase(0, 3);
  ++number_;
  return true;
}

PatientPost::PatientPost(const Client& client, Progress& progress)
    : PatientPost{
          client,
          {.say =
               [&progress](std::string_view text) {
                 progress.clear();
                 say(text);
               },
           .pause = [](std::chrono::seconds pause) { std::this_thread::sleep_for(pause); }}} {}

Result<Answer> PatientPost::operator()(const std::string& path, std::string_view member,
                                       const std::string& body, std::string_view content_type) {
  for (int tries = 0;; ++tries) {
    auto answer = client_.call("POST", path, member, body, content_type);
    if (!answer || (answer->status != 429 && answer->status != 503)) return answer;
    if (answer->status == 503 && tries >= kPatienceTries) return answer;
    const std::chrono::seconds pause{
        std::max<std::int64_t>(number_of(answer->value, "retry_after"), 1)};
    say_why(*answer, pause);
    waits_.pause(pause);
  }
}

void PatientPost::say_why(const Answer& answer, std::chrono::seconds pause) {
  if (const std::string reason = fmt::format("{} {}", answer.status, answer.text("code"));
      reason != reason_) {
    reason_ = reason;
    until_said_ = answer.status == 429 ? kSaidEvery : std::chrono::seconds{0};
  }
  if (until_said_ <= std::chrono::seconds{0}) {
    std::string detail = printable_line(answer.text("detail"));
    if (detail.empty()) detail = fmt::format("the server answers {}", answer.status);
    if (!detail.ends_with('.')) detail += '.';
    waits_.say(fmt::format("Waiting: {} Trying again every {} s.", detail, pause.count()));
    until_said_ = kSaidEvery;
  }
  until_said_ -= pause;
}

bool may_be_taken(const Result<Answer>& answer) {
  if (answer) return answer->ok() || answer->status >= 500;
  // No connection to a server was made, or none was tried.
  static constexpr std::array<std::string_view, 11> kNotSent{
      "dns",       "tls",          "tls_cert",      "local",           "bad_url",    "wrong_scheme",
      "no_server", "server_ended", "not_announced", "several_servers", "cannot_read"};
  const std::string& code = answer.error().code;
  return !code.starts_with("connect") && std::ranges::find(kNotSent, code) == kNotSent.end();
}

std::string lines_text(std::size_t first, std::size_t last) {
  const auto text = [](std::size_t line) { return grouped(static_cast<std::int64_t>(line)); };
  return first == last ? fmt::format("Line {}", text(first))
                       : fmt::format("Lines {} to {}", text(first), text(last));
}

Progress::Progress(std::string noun, bool quiet)
    : noun_{std::move(noun)}, on_{!quiet && stderr_is_terminal()} {}

void Progress::show(std::int64_t done, std::int64_t refused) {
  if (!on_) return;
  const auto passed = std::chrono::steady_clock::now() - begun_;
  const double seconds = std::max(std::chrono::duration<double>(passed).count(), 0.001);
  draw_line(fmt::format("{} {}, {:.0f}/s{}", grouped(done), noun_,
                        static_cast<double>(done) / seconds,
                        refused > 0 ? fmt::format(", {} refused", grouped(refused)) : ""));
  shown_ = true;
}

void Progress::clear() {
  if (shown_) draw_line({});
  shown_ = false;
}

Refusals::Refusals(std::string report, Progress& progress)
    : report_{std::move(report)}, progress_{progress} {}

Status Refusals::open() {
  if (report_.empty()) return {};
  errno = 0;
  out_.open(report_, std::ios::binary | std::ios::trunc);
  if (out_.is_open()) return {};
  return fail(ErrorKind::Io, "cannot_write",
              fmt::format("Cannot write {}: {}.", report_, std::strerror(errno)));
}

void Refusals::add(std::string_view told, std::string_view row) {
  ++count_;
  if (count_ <= kToldMax) {
    progress_.clear();
    say(told);
  }
  if (report_.empty()) return;
  if (count_ == 1) out_ << head_;
  out_ << row;
}

bool Refusals::finish() {
  progress_.clear();
  if (report_.empty()) {
    if (count_ > kToldMax)
      say(fmt::format("… and {} more; --report FILE writes all of them to a file.",
                      grouped(count_ - kToldMax)));
    return true;
  }
  if (count_ > kToldMax)
    say(fmt::format("… and {} more; {} has them all.", grouped(count_ - kToldMax), report_));
  else if (count_ > 0)
    say(fmt::format("What was refused is in {}, to be mended and imported again.", report_));
  out_.close();
  return !out_.fail();
}
}  // namespace onward
