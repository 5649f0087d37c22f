#pragma once
// What libcurl is told of a request: its URL, headers, method and body.
#include <curl/curl.h>

#include <memory>
#include <string>

#include "engine/delivery/destination.h"
#include "engine/delivery/http_client.h"

namespace onward {
/// The request of one handle, one attempt after another. Holds what libcurl does not copy.
class CurlRequest {
 public:
  /// `easy` must outlive it.
  CurlRequest(CURL* easy, bool https_only);

  /// Sets the URL, and the target of `destination`. Returns what is wrong, without the URL, which
  /// may hold a secret; empty where it can be called.
  std::string set_url(const std::string& text, Destination& destination);
  /// Whether the URL that was refused is one over plain http.
  bool is_plain_http() const;
  /// The next URL is set even if it is the same: this one was refused.
  void forget_url() { url_text_.clear(); }
  /// Returns what is wrong; empty where they can be sent.
  std::string set_headers(const HttpRequest& request);
  /// The body is not copied: `request` must live until the attempt has ended.
  void set_method_and_body(const HttpRequest& request);

 private:
  struct UrlDelete {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };
  struct ListDelete {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using HeaderList = std::unique_ptr<curl_slist, ListDelete>;

  CURL* const easy_;
  const bool https_only_;
  std::unique_ptr<CURLU, UrlDelete> url_;
  std::string url_text_;  ///< What was set last: mostly the next one is the same.
  HeaderList headers_;
};
}  // namespace onward
