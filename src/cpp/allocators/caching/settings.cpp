#include "allocators/caching/settings.hpp"

#include <charconv>
#include <iterator>

#include "base/text.hpp"

namespace shmalloc::caching {
namespace {

struct Key {
  std::string_view name;
  const char *expected;
  bool (*parse)(std::string_view value, Settings *settings);
  std::string (*format)(const Settings &settings);
  bool fixed = false;  // has one value, and is not told of unless somebody asks for it
};

bool parse_mib(std::string_view value, std::uint64_t least, std::uint64_t *out) {
  std::uint64_t number = 0;
  if (!parse_number(value, &number) || number < least || number >= kMost / kMiB) return false;
  *out = number * kMiB;
  return true;
}
std::string mib(std::uint64_t bytes) { return std::to_string(bytes / kMiB); }

bool parse_part(std::string_view value, double *out) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0 && number <= 1)) return false;
  *out = number;
  return true;
}
std::string part(double number) {
  char text[40];
  return std::string(text, std::to_chars(std::begin(text), std::end(text), number).ptr);
}

bool parse_divisions(std::string_view value, std::uint64_t *out) {
  return parse_number(value, out) && *out <= Divisions::kMostDivisions && (*out & (*out - 1)) == 0;
}

// [MiB:divisions,...,>:divisions]: sizes below the first have its divisions, those between two the lower one's, those above the last
// what > says. Keys rise.
bool parse_list(std::string_view list, Divisions *out) {
  Divisions made;
  int filled = 0;
  std::uint64_t divisions = 0;
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    more = comma != std::string_view::npos;
    const std::string_view item = list.substr(0, comma);
    const std::size_t colon = item.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view key = item.substr(0, colon);
    std::uint64_t next = 0;
    if (!parse_divisions(item.substr(colon + 1), &next)) return false;
    std::uint64_t size = 0;
    if (key == ">") {
      if (more || filled == 0) return false;
      while (filled < Divisions::kSlots) made.set(filled++, next);
    } else {
      if (!parse_number(key, &size) || !std::has_single_bit(size)) return false;
      const int slot = std::countr_zero(size);
      if (slot >= Divisions::kSlots || slot < filled) return false;
      for (const bool first = filled == 0; filled < slot;) made.set(filled++, first ? next : divisions);
      made.set(filled++, next);
    }
    divisions = next;
    if (more) list.remove_prefix(comma + 1);
  }
  while (filled < Divisions::kSlots) made.set(filled++, divisions);
  *out = made;
  return true;
}

std::string format_divisions(const Divisions &divisions) {
  std::string text = "[";
  for (int slot = 0; slot < Divisions::kSlots; ++slot) {
    if (slot > 0) text += ',';
    append(text, "%u:%llu", 1U << slot, static_cast<unsigned long long>(divisions.of(slot) > 1 ? divisions.of(slot) : 0));
  }
  return text + ']';
}

// What others can choose and we can't is accepted with the value that we have anyway.
template <const char *kOnly>
constexpr bool only(std::string_view value, Settings * /*settings*/) {
  return value == kOnly;
}
template <const char *kOnly>
std::string always(const Settings & /*settings*/) {
  return kOnly;
}
constexpr char kNative[] = "native";
constexpr char kTrue[] = "True";
constexpr char kFalse[] = "False";

constexpr Key kKeys[] = {
    {"max_split_size_mb", "MiB, at least large_segment_size_mb, or unlimited",
     [](std::string_view value, Settings *settings) {
       if (value != "unlimited") return parse_mib(value, 1, &settings->max_split);
       settings->max_split = kUnlimited;
       return true;
     },
     [](const Settings &settings) {
       return settings.max_split == kUnlimited ? std::string("unlimited") : mib(settings.max_split);
     }},
    {"max_non_split_rounding_mb", "MiB, at least large_segment_size_mb",
     [](std::string_view value, Settings *settings) { return parse_mib(value, 1, &settings->non_split_rounding); },
     [](const Settings &settings) { return mib(settings.non_split_rounding); }},
    {"large_segment_size_mb", "MiB, more than 10",
     [](std::string_view value, Settings *settings) { return parse_mib(value, kOwnSegment / kMiB + 1, &settings->large_segment); },
     [](const Settings &settings) { return mib(settings.large_segment); }},
    {"roundup_power2_divisions",
     "a power of two up to 32768, 0 for none, or [MiB:divisions,...,>:divisions] with rising powers of two",
     [](std::string_view value, Settings *settings) {
       if (value.size() > 2 && value.front() == '[' && value.back() == ']')
         return parse_list(value.substr(1, value.size() - 2), &settings->divisions);
       std::uint64_t divisions = 0;
       if (!parse_divisions(value, &divisions)) return false;
       for (int slot = 0; slot < Divisions::kSlots; ++slot) settings->divisions.set(slot, divisions);
       return true;
     },
     [](const Settings &settings) { return format_divisions(settings.divisions); }},
    {"garbage_collection_threshold", "a number from 0 (never) to below 1",
     [](std::string_view value, Settings *settings) {
       return parse_part(value, &settings->collect_from) && settings->collect_from < 1;
     },
     [](const Settings &settings) { return part(settings.collect_from); }},
    {"per_process_memory_fraction", "a number from 0 to 1",
     [](std::string_view value, Settings *settings) { return parse_part(value, &settings->fraction); },
     [](const Settings &settings) { return part(settings.fraction); }},
    {"backend", "native here", only<kNative>, always<kNative>, true},
    {"expandable_segments", "False here", only<kFalse>, always<kFalse>, true},
    {"release_lock_on_cudamalloc", "True here: it always is so", only<kTrue>, always<kTrue>, true},
    {"release_lock_on_hipmalloc", "True here: it always is so", only<kTrue>, always<kTrue>, true},
    {"graph_capture_record_stream_reuse", "False here", only<kFalse>, always<kFalse>, true},
    {"throw_on_cudamalloc_oom", "False here", only<kFalse>, always<kFalse>, true},
};

Error bad_value(const Key &key, std::string_view value) {
  return fail(SHMALLOC_STATUS_INVALID, 0, "setting %s must be %s, not \"%.*s\"", key.name.data(), key.expected,
              static_cast<int>(std::min<std::size_t>(value.size(), 64)), value.data());
}

const Key *find(std::string_view name) {
  for (const Key &key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

Result<Settings> parse_all(const Settings &settings, std::string_view text) {
  Settings changed = settings;
  bool named[std::size(kKeys)] = {};
  while (!text.empty()) {
    const std::size_t colon = text.find_first_of(":,");
    const std::string_view name = text.substr(0, colon);
    const int shown = static_cast<int>(std::min<std::size_t>(name.size(), 64));
    if (colon == std::string_view::npos || text[colon] == ',')
      return fail(SHMALLOC_STATUS_INVALID, 0, "setting \"%.*s\" has no value: write key:value,key:value", shown, name.data());
    const Key *key = find(name);
    if (key == nullptr)
      return fail(SHMALLOC_STATUS_INVALID, 0, "\"%.*s\" is no setting of the caching allocator", shown, name.data());
    if (named[key - kKeys]) return fail(SHMALLOC_STATUS_INVALID, 0, "setting %s is there twice", key->name.data());
    named[key - kKeys] = true;
    text.remove_prefix(colon + 1);
    std::size_t end = text.find(text.starts_with('[') ? ']' : ',');
    if (text.starts_with('[') && end != std::string_view::npos) ++end;
    const std::string_view value = text.substr(0, end);
    if (!key->parse(value, &changed)) return bad_value(*key, value);
    text.remove_prefix(value.size());
    if (text.empty()) break;
    if (text.front() != ',') return fail(SHMALLOC_STATUS_INVALID, 0, "there is no comma after the value of %s", key->name.data());
    text.remove_prefix(1);
    if (text.empty()) return fail(SHMALLOC_STATUS_INVALID, 0, "the settings end with a comma");
  }
  if (changed.max_split < changed.large_segment) return bad_value(kKeys[0], mib(changed.max_split));
  if (changed.non_split_rounding < changed.large_segment) return bad_value(kKeys[1], mib(changed.non_split_rounding));
  return changed;
}

}  // namespace

Result<Settings> parse(const Settings &settings, std::string_view text) {
  std::string dense;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\n') dense += c;
  }
  return parse_all(settings, dense);
}

std::string format(const Settings &settings) {
  std::string text;
  for (const Key &key : kKeys) {
    if (key.fixed) continue;
    if (!text.empty()) text += ',';
    text.append(key.name).append(1, ':').append(key.format(settings));
  }
  return text;
}

Result<std::string> format_one(const Settings &settings, std::string_view name) {
  const Key *key = find(name);
  if (key != nullptr) return key->format(settings);
  return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "\"%.*s\" is no setting of the caching allocator",
              static_cast<int>(std::min<std::size_t>(name.size(), 64)), name.data());
}

// ---- by fields ----

namespace {

Error bad_field(const char *name, const char *expected, std::uint64_t value) {
  return fail(SHMALLOC_STATUS_INVALID, 0, "%s must be %s, not %llu", name, expected, static_cast<unsigned long long>(value));
}

constexpr std::uint32_t kNothing = UINT32_MAX;  // 0, which says that a field stays as it is

// Millionths, up to `most` of them.
Result<void> set_part(const char *name, const char *expected, std::uint32_t value, std::uint32_t most, double *out) {
  if (value == 0) return {};
  if (value != kNothing && value > most) return bad_field(name, expected, value);
  *out = value == kNothing ? 0 : static_cast<double>(value) / 1e6;
  return {};
}

Result<void> set_size(const char *name, const char *expected, std::uint64_t value, std::uint64_t least, std::uint64_t *out) {
  if (value == 0) return {};
  if (value % kMiB != 0 || value < least || value >= kMost) return bad_field(name, expected, value);
  *out = value;
  return {};
}

}  // namespace

Result<Settings> parse(const Settings &settings, const shmalloc_caching_params &params) {
  constexpr const char *kSplit = "whole MiB, at least large_segment_size, or UINT64_MAX";
  constexpr const char *kRounding = "whole MiB, at least large_segment_size";
  Settings changed = settings;
  if (params.max_split_size == UINT64_MAX) {
    changed.max_split = kUnlimited;
  } else {
    SHMALLOC_CHECK(set_size("max_split_size", kSplit, params.max_split_size, kMiB, &changed.max_split));
  }
  SHMALLOC_CHECK(set_size("max_non_split_rounding", kRounding, params.max_non_split_rounding, kMiB, &changed.non_split_rounding));
  SHMALLOC_CHECK(set_size("large_segment_size", "whole MiB, more than 10", params.large_segment_size, kOwnSegment + kMiB,
                          &changed.large_segment));
  if (changed.max_split < changed.large_segment) return bad_field("max_split_size", kSplit, changed.max_split);
  if (changed.non_split_rounding < changed.large_segment)
    return bad_field("max_non_split_rounding", kRounding, changed.non_split_rounding);
  SHMALLOC_CHECK(set_part("garbage_collection_ppm", "millionths, less than 1000000, or UINT32_MAX for never",
                          params.garbage_collection_ppm, 999999, &changed.collect_from));
  SHMALLOC_CHECK(
      set_part("memory_ppm", "millionths, at most 1000000, or UINT32_MAX for none", params.memory_ppm, 1000000, &changed.fraction));
  for (int slot = 0; slot < Divisions::kSlots; ++slot) {
    const std::uint32_t divisions = params.roundup_divisions[slot];
    if (divisions == 0) continue;
    if (divisions > Divisions::kMostDivisions || !std::has_single_bit(divisions))
      return bad_field("roundup_divisions", "powers of two up to 32768", divisions);
    changed.divisions.set(slot, divisions);
  }
  return changed;
}

}  // namespace shmalloc::caching
