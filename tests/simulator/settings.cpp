#include "settings.hpp"

#include <cstdlib>
#include <sstream>

namespace sim {
namespace {

bool number(const std::string &text, std::uint64_t *out) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  char *end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 0);
  unsigned shift = 0;
  switch (*end) {
    case 'K':
      shift = 10;
      break;
    case 'M':
      shift = 20;
      break;
    case 'G':
      shift = 30;
      break;
    default:
      break;
  }
  if (shift != 0) ++end;
  *out = value << shift;
  return *end == 0 && *out >> shift == value;
}

std::vector<std::string> split(const std::string &text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) parts.push_back(part);
  return parts;
}

// NAME:NTH:CODE or NAME:NTH+:CODE.
bool read_fault(const std::string &text, Fault *out) {
  auto parts = split(text, ':');
  if (parts.size() != 3 || parts[0].empty() || parts[1].empty()) return false;
  out->name = parts[0];
  out->onwards = parts[1].back() == '+';
  if (out->onwards) parts[1].pop_back();
  std::uint64_t code = 0;
  if (!number(parts[1], &out->nth) || out->nth == 0 || !number(parts[2], &code) || code > 999) return false;
  out->code = static_cast<CUresult>(code);
  return true;
}

bool read_memory(const std::string &text, Settings *out) {
  const auto parts = split(text, ',');
  if (parts.empty() || parts.size() > kMaxDevices) return false;
  for (std::size_t i = 0; i < kMaxDevices; ++i) {
    if (!number(i < parts.size() ? parts[i] : parts.back(), &out->memory[i])) return false;
  }
  return true;
}

bool read_one(const std::string &key, const std::string &value, Settings *out) {
  if (key == "memory") return read_memory(value, out);
  if (key == "fail") {
    out->faults.clear();
    for (const auto &part : split(value, ',')) {
      if (!read_fault(part, &out->faults.emplace_back())) return false;
    }
    return true;
  }
  if (key == "schedule" && (value == "now" || value == "late")) {
    out->schedule = value == "now" ? Schedule::now : Schedule::late;
    return true;
  }
  std::uint64_t given = 0;
  if (!number(value, &given)) return false;
  if (key == "schedule") {
    out->schedule = Schedule::seeded;
    out->seed = given;
    return true;
  }
  if (key == "limit") {
    out->limit = given;
    return true;
  }
  if (key == "devices" && given <= kMaxDevices) {
    out->devices = static_cast<int>(given);
    return true;
  }
  if (given > 1000000) return false;
  if (key == "driver") {
    out->driver = static_cast<int>(given);
  } else if (key == "patience") {
    out->patience = static_cast<int>(given);
  } else if (key == "peers") {
    out->peers = given != 0;
  } else if (key == "vmm") {
    out->virtual_memory = given != 0;
  } else if (key == "report") {
    out->report = given != 0;
  } else if (key == "strict") {
    out->strict = given != 0;
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool Settings::read(const char *text, std::string *why) {
  Settings changed = *this;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto mark = word.find('=');
    if (mark == std::string::npos || !read_one(word.substr(0, mark), word.substr(mark + 1), &changed)) {
      *why = "option \"" + word + "\" is not understood";
      return false;
    }
  }
  *this = changed;
  return true;
}

}  // namespace sim
