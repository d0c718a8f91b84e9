#include "harness/facts.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace bench {

namespace {

double status_bytes(const std::string &key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) == 0) return std::strtod(line.c_str() + key.size(), nullptr) * 1024;
  }
  return 0;
}

}  // namespace

double open_descriptors() {
  const std::filesystem::directory_iterator first("/proc/self/fd");
  return static_cast<double>(std::distance(begin(first), end(first)));
}

double mappings() {
  std::ifstream file("/proc/self/maps");
  double count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

double private_bytes() { return status_bytes("RssAnon:"); }
double shared_bytes() { return status_bytes("RssShmem:"); }

}  // namespace bench
