#include "allocators/settings.hpp"

#include <cstring>

#include "base/text.hpp"

namespace shmalloc {
namespace {

struct Key {
  std::string_view name;
  std::uint32_t kinds;
  const char *expected;
  bool (*parse)(std::string_view value, Settings *settings);
  std::string (*format)(const Settings &settings);
};

bool copy_text(std::string_view value, char *to, std::size_t room) {
  if (value.size() >= room) return false;
  std::memcpy(to, value.data(), value.size());
  to[value.size()] = '\0';
  return true;
}

constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;
constexpr std::uint64_t kMost = std::uint64_t{1} << 45;
constexpr const char *kPages[] = {"auto", "huge", "small"};

constexpr Key kKeys[] = {
    {"alignment", kDirectKeys, "bytes, a power of two of at least 16",
     [](std::string_view value, Settings *settings) {
       return parse_number(value, &settings->alignment) && settings->alignment >= 16 &&
              settings->alignment <= (std::uint64_t{1} << 40) && (settings->alignment & (settings->alignment - 1)) == 0;
     },
     [](const Settings &settings) { return std::to_string(settings.alignment); }},
    {"numa_node", kDirectKeys | kMapKeys | kSharedKeys, "the number of a node, or -1",
     [](std::string_view value, Settings *settings) {
       std::uint64_t node = 0;
       if (value == "-1") {
         settings->numa_node = -1;
         return true;
       }
       if (!parse_number(value, &node) || node > 1023) return false;
       settings->numa_node = static_cast<std::int32_t>(node);
       return true;
     },
     [](const Settings &settings) { return std::to_string(settings.numa_node); }},
    {"prefix", kMapKeys | kSharedKeys, "1 to 31 of A-Z a-z 0-9 . _ -",
     [](std::string_view value, Settings *settings) {
       return valid_prefix(value) && copy_text(value, settings->prefix, sizeof settings->prefix);
     },
     [](const Settings &settings) { return std::string(settings.prefix); }},
    {"mode", kMapKeys | kSharedKeys, "permission bits in octal, 0 to 0777",
     [](std::string_view value, Settings *settings) {
       std::uint64_t mode = 0;
       if (!parse_number(value, &mode, 8) || mode > 0777) return false;
       settings->mode = static_cast<std::uint32_t>(mode);
       return true;
     },
     [](const Settings &settings) {
       std::string text;
       append(text, "0%o", settings.mode);
       return text;
     }},
    {"populate", kMapKeys, "0 or 1",
     [](std::string_view value, Settings *settings) {
       settings->populate = value == "1";
       return value == "0" || value == "1";
     },
     [](const Settings &settings) { return std::string(settings.populate ? "1" : "0"); }},
    {"export_ttl_ms", kMapKeys | kSharedKeys, "milliseconds, at most 10^12",
     [](std::string_view value, Settings *settings) {
       return parse_number(value, &settings->export_ttl_ms) && settings->export_ttl_ms <= 1000000000000U;
     },
     [](const Settings &settings) { return std::to_string(settings.export_ttl_ms); }},
    {"manager", kCountedKeys, "the path of a socket, at most 107 bytes",
     [](std::string_view value, Settings *settings) { return copy_text(value, settings->manager, sizeof settings->manager); },
     [](const Settings &settings) { return std::string(settings.manager); }},
    {"segment_size", kSharedKeys, "bytes, 2 MiB to 2^45",
     [](std::string_view value, Settings *settings) {
       return parse_number(value, &settings->segment_size) && settings->segment_size >= kChunk && settings->segment_size <= kMost;
     },
     [](const Settings &settings) { return std::to_string(settings.segment_size); }},
    {"growth", kSharedKeys, "bytes, at most 2^45",
     [](std::string_view value, Settings *settings) { return parse_number(value, &settings->growth) && settings->growth <= kMost; },
     [](const Settings &settings) { return std::to_string(settings.growth); }},
    {"watermark", kSharedKeys, "bytes, at most 2^45",
     [](std::string_view value, Settings *settings) {
       return parse_number(value, &settings->watermark) && settings->watermark <= kMost;
     },
     [](const Settings &settings) { return std::to_string(settings.watermark); }},
    {"pages", kSharedKeys, "auto, huge or small",
     [](std::string_view value, Settings *settings) {
       for (std::uint8_t i = 0; i < 3; ++i) {
         if (value == kPages[i]) {
           settings->pages = i;
           return true;
         }
       }
       return false;
     },
     [](const Settings &settings) { return std::string(kPages[settings.pages]); }},
    {"sealed", kSharedKeys, "0 or 1",
     [](std::string_view value, Settings *settings) {
       settings->sealed = value == "1";
       return value == "0" || value == "1";
     },
     [](const Settings &settings) { return std::string(settings.sealed ? "1" : "0"); }},
    {"named", kSharedKeys, "0 or 1",
     [](std::string_view value, Settings *settings) {
       settings->named = value == "1";
       return value == "0" || value == "1";
     },
     [](const Settings &settings) { return std::string(settings.named ? "1" : "0"); }},
};

const Key *find(std::string_view name, std::uint32_t kinds) {
  for (const Key &key : kKeys) {
    if (key.name == name && (key.kinds & kinds) != 0) return &key;
  }
  return nullptr;
}

}  // namespace

bool valid_prefix(std::string_view prefix) {
  if (prefix.empty() || prefix.size() > kMaxPrefix) return false;
  for (const char c : prefix) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!letter) return false;
  }
  return true;
}

Result<Settings> parse_settings(const Settings &settings, std::string_view text, std::uint32_t keys) {
  Settings changed = settings;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const std::size_t colon = item.find(':');
    const std::string_view name = item.substr(0, colon);
    const int name_length = static_cast<int>(name.size() < 64 ? name.size() : 64);
    if (colon == std::string_view::npos) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "setting \"%.*s\" has no value: write key:value,key:value", name_length, name.data());
    }
    const Key *key = find(name, keys);
    if (key == nullptr) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "\"%.*s\" is no setting of this kind of allocator", name_length, name.data());
    }
    const std::string_view value = item.substr(colon + 1);
    if (!key->parse(value, &changed)) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "setting %s must be %s, not \"%.*s\"", key->name.data(), key->expected,
                  static_cast<int>(value.size() < 64 ? value.size() : 64), value.data());
    }
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return fail(SHMALLOC_STATUS_INVALID, 0, "the settings end with a comma");
  }
  return changed;
}

Result<std::string> format_setting(const Settings &settings, std::string_view name, std::uint32_t keys) {
  const Key *key = find(name, keys);
  if (key == nullptr) {
    return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "\"%.*s\" is no setting of this kind of allocator",
                static_cast<int>(name.size() < 64 ? name.size() : 64), name.data());
  }
  return key->format(settings);
}

std::string format_settings(const Settings &settings, std::uint32_t keys) {
  std::string text;
  for (const Key &key : kKeys) {
    if ((key.kinds & keys) == 0) continue;
    if (!text.empty()) text += ',';
    text += key.name;
    text += ':';
    text += key.format(settings);
  }
  return text;
}

}  // namespace shmalloc
