#include "engine/cell/webhook_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "engine/core/base/clipped.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"
#include "engine/delivery/attempt.h"
#include "engine/secrets/bytes.h"

namespace onward {
namespace {
constexpr std::size_t kIdLength = 25;
/// Somebody waits for the answer.
constexpr Duration kPatience = std::chrono::seconds{30};

/// The person of seed S2's example.
Contact sample_contact() {
  Contact contact;
  contact.id = ExternalId{"54321", true};
  contact.set(Field::Email, "john.doe@example.org");
  contact.set(Field::FirstName, "John");
  contact.set(Field::LastName, "Doe");
  return contact;
}

struct Advice {
  std::string_view code, text;
};
constexpr std::array kByCode{
    Advice{"connect_refused",
           "Nothing listens there. Check host and port, and whether the receiver runs."},
    Advice{"connect_timeout",
           "No answer to the connection: a firewall, or the wrong host or port."},
    Advice{"unreachable", "There is no way to that address. Check the host and the network."},
    Advice{"no_network", "This machine has no network at the moment."},
    Advice{"dns", "The host's name has no address. Check it for a typing mistake."},
    Advice{"dns_busy", "Too many other names are being looked up. Try again in a minute."},
    Advice{
        "tls_cert",
        "The receiver's certificate is not believed: expired, for another name, or of an unknown "
        "authority. Renew it there, or name the authority with --ca-file."},
    Advice{"tls", "The TLS handshake failed. Does the port speak https?"},
    Advice{"tls_client_cert", "The receiver wants a client certificate, which Onward has none of."},
    Advice{"timeout",
           "The receiver took too long. Let it answer first and work afterwards, or raise the "
           "node's timeout."},
    Advice{"reset", "The receiver hung up without an answer. Its log may say why."},
    Advice{"protocol", "What answers is no HTTP/1.1 server. Does the port speak https?"},
    Advice{"header_limit", "The receiver's headers never end."},
    Advice{"blocked_policy",
           "This server may not call that address. The operator opens it with --allow-host or "
           "--allow-network."},
    Advice{"bad_url", "The URL cannot be called. Check it in the scenario."},
    Advice{"bad_header",
           "A header's value cannot be sent as it is. Look for control characters in it."},
    Advice{"secret_missing", "Set it with onward secret set NAME, or onward credential set NAME."},
    Advice{kSecretHostRefused,
           "Change the URL. Or an admin allows the host as well: onward secret set NAME --keep "
           "--host HOST, or onward credential set NAME --keep --host HOST, with all of its hosts."},
    Advice{"local", "This machine is out of sockets or ports. Try again in a moment."},
    Advice{"stopping", "The server was stopped meanwhile. Try again when it runs."}};

std::string_view advice_on_status(int status) {
  if (status == 401 || status == 403)
    return "The receiver does not accept the credentials. Check auth, headers and secrets.";
  if (status == 404 || status == 410) return "The receiver knows no such path. Check the URL.";
  if (status == 405) return "The receiver wants another method. Check the node's method.";
  if (status == 408 || status == 429 || status == 503)
    return "The receiver is busy, or lets in only so many requests. Deliveries would be tried "
           "again.";
  if (status == 415)
    return "The receiver wants another form of body. Check content_type: json or form.";
  if (status == 400 || status == 422)
    return "The receiver does not like the test data. Compare its documentation with the body.";
  if (status >= 300 && status < 400)
    return "The receiver sends elsewhere, and redirects are not followed. Use the final URL.";
  if (status >= 500) return "The receiver failed by itself. Its log may say why.";
  if (status >= 200 && status < 300)
    return "The node's accept does not list this status, so deliveries would be refused.";
  return "The receiver refused the request.";
}

std::string explanation_of(const AttemptResult& result) {
  if (result.status != 0) return std::string{advice_on_status(result.status)};
  const auto found = std::ranges::find(kByCode, std::string_view{result.code}, &Advice::code);
  return found == kByCode.end() ? std::string{} : std::string{found->text};
}

Result<const ScenarioNode*> sending_node(const Scenario& scenario, std::string_view id) {
  std::vector<std::string> senders;
  for (const ScenarioNode& node : scenario.nodes)
    if (node.kind->sends) senders.push_back(node.id);
  const ScenarioNode* node = scenario.find(id);
  if (node != nullptr && node->kind->sends) return node;
  if (node != nullptr)
    return fail(
        ErrorKind::Invalid, "sends_nothing",
        fmt::format("node \"{}\" is a {} and sends nothing; those that do: {}", id,
                    node->kind->name,
                    senders.empty() ? "none" : fmt::format("{}", fmt::join(senders, ", "))));
  return fail(ErrorKind::NotFound, "unknown_node",
              fmt::format("scenario \"{}\" has no node \"{}\"{}", scenario.id, clipped(id),
                          did_you_mean(nearest_name(id, senders))));
}
}  // namespace

Result<std::string> new_test_id() {
  auto letters = random_letters(kIdLength);
  if (!letters) return letters;
  return "test_evt_" + *letters;
}

Result<DeliveryTask> make_webhook_test(const Scenario& scenario, std::string_view node_id,
                                       std::string id, std::int64_t account_id, Instant now) {
  const auto node = sending_node(scenario, node_id);
  if (!node) return tl::make_unexpected(node.error());
  const Contact contact = sample_contact();
  const Engagement engagement;
  const Visit visit{.contact = contact,
                    .engagement = engagement,
                    .event = nullptr,
                    .now = {.at = now, .seq = 0},
                    .arrived = now,
                    .run = RunKey{0},
                    .scenario = scenario.id,
                    .scenario_title = scenario.title,
                    .timezone = scenario.timezone,
                    .node = (*node)->number,
                    .delivery_id = id,
                    .account_id = account_id};
  auto draft = (*node)->node->test_request(visit);
  const DeliveryPolicy* policy = (*node)->node->delivery_policy();
  if (!draft || policy == nullptr)
    return fail(ErrorKind::Invalid, "sends_nothing",
                fmt::format("node \"{}\" has nothing that could be tested", node_id));
  if (!draft->refusal.empty())
    return fail(
        ErrorKind::Invalid, "cannot_be_sent",
        fmt::format("node \"{}\": the request cannot be made: {}", node_id, draft->refusal));
  // The excerpt of the answer is shown, whatever the node keeps of answers.
  auto own = std::make_shared<DeliveryPolicy>(*policy);
  own->log_body = LogBody::All;
  own->timeout = std::min(own->timeout, kPatience);
  DeliveryTask task;
  task.request = std::make_shared<Request>(std::move(draft->request));
  task.policy = own.get();
  task.owner = std::move(own);
  task.webhook_id = std::move(id);
  return task;
}

WebhookTestAnswer judge_webhook_test(const DeliveryTask& task, AttemptResult result) {
  WebhookTestAnswer answer;
  answer.accepted = is_accepted(task.policy->retry, result);
  if (!answer.accepted) answer.explanation = explanation_of(result);
  answer.id = task.webhook_id;
  answer.request = task.request;
  answer.attempt = {.number = 1,
                    .started = result.started,
                    .took = result.took,
                    .status = result.status,
                    .code = std::move(result.code),
                    .error = std::move(result.error),
                    .response = std::move(result.response)};
  return answer;
}
}  // namespace onward
