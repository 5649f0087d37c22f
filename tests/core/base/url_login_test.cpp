#include "engine/core/base/url_login.h"

#include <catch2/catch.hpp>
#include <string>

using namespace onward;

TEST_CASE("user and password of a URL are not shown, however wrong it is", "[core][url_login]") {
  struct Case {
    const char* text;
    const char* shown;
  };
  const auto c = GENERATE(
      Case{"https://bob:secret@a.example/x", "https://***@a.example/x"},
      Case{"see https://token@a.example, please", "see https://***@a.example, please"},
      Case{"ftp://bob:se@cret@a.example?x=y@z", "ftp://***@a.example?x=y@z"},
      Case{"https:/bob:secret@a.example", "https:/***@a.example"},
      Case{"//bob:secret@a.example", "//***@a.example"},
      Case{"https://bob:se/cr?et@a.example/x", "https://***@a.example/x"},
      Case{"https://bob:se\"cr'et@a.example\"", "https://***@a.example\""},
      Case{"https://{{ secret.user }}:pw@a.example", "https://***@a.example"},
      Case{"[\"http://a:b@c\",\"http://d:é@f\"]", "[\"http://***@c\",\"http://***@f\"]"},
      // Nothing to hide.
      Case{"https://a.example/x?mail=jane@example.org",
           "https://a.example/x?mail=jane@example.org"},
      Case{"https://a.example:80/jane@example.org", "https://a.example:80/jane@example.org"},
      Case{"http://[::1]/jane@example.org", "http://[::1]/jane@example.org"},
      Case{"https://a.example jane@example.org", "https://a.example jane@example.org"},
      Case{"a/b jane@example.org //", "a/b jane@example.org //"}, Case{"", ""}, Case{"//", "//"});
  CAPTURE(c.text);
  CHECK(hide_url_logins(c.text) == c.shown);
  CHECK(hide_url_logins(c.shown) == c.shown);
}

TEST_CASE("four megabytes of slashes and signs are read in one pass", "[core][url_login]") {
  for (const char* piece : {"://x", "//@", "{{", "://a:b/", "@", "://a:b@c\" "}) {
    std::string text;
    while (text.size() < (4U << 20)) text += piece;
    CHECK(hide_url_logins(text).size() <= text.size() * 2);
  }
}
