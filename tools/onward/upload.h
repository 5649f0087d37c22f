#pragma once
// Files that go to the server chunk by chunk: reading lines, posting with patience, progress,
// and what was refused.
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/onward/client.h"

namespace onward {
inline constexpr std::size_t kChunkBytesMax = 6u << 20;  ///< Below what one body may have.

/// A file, or standard input for "-".
class InputFile {
 public:
  explicit InputFile(const std::string& file);
  /// The error says why it cannot be read.
  Status open();
  /// Whether reading ended by a fault and not at the end.
  bool failed() { return stream().bad(); }
  std::istream& stream();
  /// For messages: "people.csv", "standard input".
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  bool standard_;
  std::ifstream file_;
  int fault_ = 0;  // errno of opening it.
};

/// Whether both names are of one file that exists.
bool same_file(const std::string& a, const std::string& b);
inline constexpr std::string_view kOwnReport = "The report cannot be the file that is imported.";

/// Lines of a stream; blank ones are passed over.
class Lines {
 public:
  explicit Lines(std::istream& in) : in_{in} {}
  struct Line {
    std::size_t number = 0;  ///< From 1.
    std::string text;        ///< Without its end.
  };
  /// The next lines, `most` at most and not too many bytes; nothing at the end.
  bool next(std::size_t most, std::vector<Line>& lines);

 private:
  bool read();
  std::istream& in_;
  std::string line_;
  std::size_t number_ = 0;
  bool kept_ = false;
};

/// A line on standard error that is written over; silent unless that is a terminal.
class Progress {
 public:
  Progress(std::string noun, bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::int64_t done, std::int64_t refused);
  void clear();

 private:
  std::string noun_;
  bool on_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// Posts chunks, each until the server has answered for good: a full intake is waited for as long
/// as it takes, a server that is not ready for some minutes.
class PatientPost {
 public:
  /// What waiting does; tests replace it.
  struct Waits {
    std::function<void(std::string_view)> say;
    std::function<void(std::chrono::seconds)> pause;
  };
  /// Says on standard error why it waits, at once and then about twice a minute. A full intake is
  /// normal while a large file is imported, so that is said after half a minute only.
  PatientPost(const Client& client, Progress& progress);
  PatientPost(const Client& client, Waits waits) : client_{client}, waits_{std::move(waits)} {}

  Result<Answer> operator()(const std::string& path, std::string_view member,
                            const std::string& body, std::string_view content_type);

 private:
  void say_why(const Answer& answer, std::chrono::seconds pause);

  const Client& client_;
  Waits waits_;
  std::string reason_;                  // Status and code of the last refusal.
  std::chrono::seconds until_said_{0};  // Of waiting, before the reason is said again.
};

/// Whether some of a post may be stored though `answer` does not say so: the answer is missing, or
/// the server failed.
bool may_be_taken(const Result<Answer>& answer);
/// "Line 7", or "Lines 7 to 1,006".
std::string lines_text(std::size_t first, std::size_t last);

/// What was refused, told on standard error and kept in a file where one is named.
class Refusals {
 public:
  /// `report` empty: none is written. Standard error gets the first twenty.
  Refusals(std::string report, Progress& progress);
  /// The error says why the report cannot be written.
  Status open();
  /// Told as "file:line: message"; `row` goes to the report, after `head` where it is the first.
  void add(std::string_view told, std::string_view row);
  void set_head(std::string head) { head_ = std::move(head); }
  /// After the last: how many more there were. False: the report was not written whole.
  bool finish();
  std::int64_t count() const { return count_; }

 private:
  std::string report_, head_;
  Progress& progress_;
  std::ofstream out_;
  std::int64_t count_ = 0;
};
}  // namespace onward
