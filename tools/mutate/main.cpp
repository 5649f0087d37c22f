// onward_mutate: what tools/mutate/run needs beside a compiler.
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "tools/mutate/mutants.h"

namespace {
using namespace onward::mutate;

constexpr std::string_view kUsage =
    R"(Usage:
  onward_mutate names LIST         number, name and file of each mutant, with tabs between them
  onward_mutate apply LIST FOLDER  puts the mutants of LIST into the sources in FOLDER
)";

std::string text_of(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error{"cannot read " + path};
  return std::move(text).str();
}

template <class T>
T must(onward::Result<T> result) {
  if (!result) throw std::runtime_error{result.error().message};
  return *std::move(result);
}

void print_names(const std::vector<Mutant>& mutants) {
  for (const Mutant& mutant : mutants)
    std::cout << mutant.number << '\t' << mutant.name << '\t' << mutant.file << '\n';
}

void put_into(const std::vector<Mutant>& mutants, const std::string& folder) {
  std::map<std::string, std::vector<Mutant>> files;
  for (const Mutant& mutant : mutants) files[mutant.file].push_back(mutant);
  for (const auto& [name, of] : files) {
    const std::string path = folder + "/" + name;
    const std::string text = must(with_mutants(text_of(path), of));
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    if (!(file << text).flush()) throw std::runtime_error{"cannot write " + path};
  }
}
}  // namespace

int main(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  try {
    if (command == "names" && count == 3) {
      print_names(must(parse_mutants(text_of(words[2]))));
    } else if (command == "apply" && count == 4) {
      put_into(must(parse_mutants(text_of(words[2]))), words[3]);
    } else {
      std::cerr << kUsage;
      return 64;
    }
  } catch (const std::exception& fault) {
    std::cerr << "onward_mutate: " << fault.what() << '\n';
    return 1;
  }
  return 0;
}
