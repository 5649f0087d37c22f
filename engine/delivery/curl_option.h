#pragma once
// Options of libcurl's handles.
#include <curl/curl.h>

#include <new>

namespace onward {
/// Sets an option that cannot fail but for lack of memory.
template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (curl_easy_setopt(handle, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc{};
}
}  // namespace onward
