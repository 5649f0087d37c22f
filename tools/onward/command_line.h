#pragma once
// What the groups of commands share. Includes CLI11; only the files that define commands include
// this file.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/scenario/node.h"
#include "tools/onward/client.h"

namespace onward {
constexpr std::int64_t kAccountMax = 1'000'000'000'000'000;  // Exact in every JSON reader.

/// The words of a choice, as CLI11 takes them.
inline std::vector<std::string> texts_of(std::span<const std::string_view> words) {
  return {words.begin(), words.end()};
}

/// The commands that can be typed. Each keeps its arguments in what it captures; the one that was
/// chosen is run after parsing.
struct CommandLine {
  explicit CommandLine(const NodeKinds& known) : kinds{known} {}

  /// A command that ends in `run`.
  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& summary,
                    std::function<int()> run);
  /// The same, of a command that speaks to a server.
  CLI::App* client_command(CLI::App& parent, const std::string& name, const std::string& summary,
                           std::function<int()> run);

  const NodeKinds& kinds;
  CLI::App app{"Onward: scenarios for contacts, webhooks that arrive.", "onward"};
  std::function<int()> chosen;
  ClientOptions client;
};

/// An option that may be repeated and takes one value each time, so that what follows it is free.
void add_repeated(CLI::App* sub, const std::string& name, std::vector<std::string>& into,
                  const std::string& summary);

// The groups of commands, in the order in which help lists them.
void add_demo(CommandLine& line);
void add_serve(CommandLine& line);
void add_listen(CommandLine& line);
void add_offline(CommandLine& line);
void add_authors_tools(CommandLine& line);
void add_authoring(CommandLine& line);
void add_events(CommandLine& line);
void add_people(CommandLine& line);
void add_deliveries(CommandLine& line);
void add_watching(CommandLine& line);
void add_secrets(CommandLine& line);
void add_tokens(CommandLine& line);
void add_webhook(CommandLine& line);
void add_fields(CommandLine& line);
void add_operating(CommandLine& line);
}  // namespace onward
