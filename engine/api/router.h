#pragma once
// Which handler answers a request: the table of routes, and the door before them.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/access.h"
#include "engine/api/http.h"
#include "engine/api/login_refusals.h"
#include "engine/api/route_docs.h"
#include "engine/core/base/log_record.h"

namespace onward {
/// How the sender of a request has shown that it may.
enum class Proof : std::uint8_t {
  None,
  /// A signature of the body: the path, the query and the header may be anybody's.
  BodySignature,
  /// A token or the route's secret, or none was asked for: the whole request is its sender's.
  Credential,
};

/// A request that found its route and may pass.
struct Call {
  ApiRequest& request;              ///< Until the handler returns.
  std::vector<std::string> params;  ///< The pattern's, decoded, in order.
  QueryParameters query;            ///< Only names that the route knows.
  Responder reply;
  const Access* access = nullptr;
  Proof proof = Proof::Credential;

  /// Who asks, for the log of what was changed: the token's name.
  std::string who() const { return access ? access->name_of(request) : std::string{}; }
  /// Whether they may see or do here what wants more than the route does.
  bool may(Need need) const { return !access || !access->refuse(request, need); }
  /// The value of a query parameter; nothing where it was not given.
  std::optional<std::string> parameter(std::string_view name) const;
};

/// Another way into a route than a token: a proof that the request brings itself. Any thread.
struct Guard {
  std::function<bool(const ApiRequest&)> brings_proof;  ///< By its headers.
  std::function<bool(const ApiRequest&)> needs_body;    ///< To judge the proof.
  std::function<Result<Proof>(const ApiRequest&)> check;
};

/// One row of the table: from it come dispatch, access and documentation.
struct Route {
  std::string_view method;
  std::string_view pattern;  ///< "/v1/contacts/{id}"
  Need need = Need::Admin;
  std::string_view summary;
  std::vector<Parameter> query = {};  ///< Those that it understands.
  std::function<void(Call)> handler;
  RouteDocs docs = {};
  std::shared_ptr<const Guard> guard = nullptr;  ///< Null: by token alone.
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> params;
    std::string allow;      ///< Methods of the path, where only the method is wrong.
    bool bad_path = false;  ///< An escape that means nothing.
  };
  /// Paths are compared segment by segment, as they are: no case folding, no dot segments.
  Match find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

/// The whole front: route, access, parameters, handler. Any thread.
class Api {
 public:
  /// `log` takes what handlers threw. `refusals` counts and logs refused logins; may be null.
  Api(std::vector<Route> routes, Access access, LogSink log = {},
      std::shared_ptr<LoginRefusals> refusals = nullptr);
  /// Answers, now or later. An exception of the handler is a 500 with an incident id (guarded.h).
  void handle(ApiRequest& request, Responder reply) const;
  /// Judges a request by its head alone, before its body is read.
  Admission admit(const ApiRequest& request) const;
  const Router& router() const { return router_; }

 private:
  /// How much of a request has arrived.
  enum class Arrived : std::uint8_t { Head, Whole };
  struct Judgement {
    std::optional<ApiReply> refusal = std::nullopt;
    Proof proof = Proof::None;
  };
  /// The same of the caller alone.
  struct Login {
    std::optional<LoginRefusal> refusal = std::nullopt;
    Proof proof = Proof::None;
  };
  Judgement judge(const ApiRequest& request, const Router::Match& match, Arrived arrived) const;
  Login judge_caller(const ApiRequest& request, const Route& route, Arrived arrived) const;
  Login judge_by_token(const ApiRequest& request, const Route& route) const;
  void note(const LoginRefusal& refusal, const ApiRequest& request, const Route& route,
            Arrived arrived) const;

  void answer(ApiRequest& request, Responder reply, const Route*& route) const;

  Router router_;
  Access access_;
  LogSink log_;
  std::shared_ptr<LoginRefusals> refusals_;
};
}  // namespace onward
