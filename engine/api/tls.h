#pragma once
// TLS at the API's door: a certificate with its key, and one caller's session, which turns sealed
// bytes into plain ones and back. Knows no sockets.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "engine/core/base/result.h"
#include "engine/core/base/time.h"

namespace onward {
/// The server's certificate and key. Immutable; any thread.
class TlsContext {
 public:
  /// Of PEM files: the certificate, with what its chain needs behind it, and its key, which has no
  /// passphrase. An error names the file.
  static Result<std::shared_ptr<const TlsContext>> make(const std::string& certificate_file,
                                                        const std::string& key_file);
  ~TlsContext();
  /// The name by which a caller finds the certificate right: `host` itself where it names that,
  /// else the first name that it does.
  std::string name_for(const std::string& host) const;

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What is wrong at `now` with the time in which the first certificate of a PEM file is valid: "it
/// expired at …"; empty where that is long enough, two weeks at least.
Result<std::string> certificate_time_fault(const std::string& file, Instant now);

/// One caller's. Not for several threads at once.
class TlsSession {
 public:
  explicit TlsSession(const TlsContext& context);
  ~TlsSession();

  /// Takes what the caller sent.
  void take(std::string_view sealed);
  /// Turns what was taken into at most `room` plain bytes, shakes hands where that is due, and
  /// tells how many there are; 0: more must be taken first, or the session has ended.
  std::size_t read(char* plain, std::size_t room);
  /// Seals `plain` behind what is pending. Only when the hands are shaken.
  void write(std::string_view plain);
  /// Says that nothing more comes from here.
  void close();

  /// What is to be sent to the caller; `sent` takes it away.
  std::string_view pending() const { return std::string_view{sealed_}.substr(sent_); }
  void sent(std::size_t count);

  bool open() const;                               ///< The hands are shaken.
  bool ended() const { return ended_; }            ///< Said goodbye, or broke the protocol.
  bool plain_http() const { return plain_http_; }  ///< It ended as the caller speaks no TLS.

 private:
  void judge(int result);
  void drain();

  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string sealed_;
  std::size_t sent_ = 0;
  bool ended_ = false;
  bool plain_http_ = false;
};
}  // namespace onward
