// Runs a target over files and folders once, without a fuzzer: `onward_fuzz_yaml FILE|FOLDER…`.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "tests/fuzz/target.h"

namespace fs = std::filesystem;

int main(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (fs::is_directory(argv[i]))
      for (const auto& entry : fs::recursive_directory_iterator{argv[i]}) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    else
      files.emplace_back(argv[i]);
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::ifstream in{file, std::ios::binary};
    std::stringstream text;
    text << in.rdbuf();
    const std::string bytes = text.str();
    std::cout << file.string() << std::endl;  // Before it runs: a crash says by what.
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  if (files.empty()) std::cerr << "there is nothing to replay\n";
  return files.empty() ? 1 : 0;
}
