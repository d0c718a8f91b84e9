// PyTorch's text, strictly: all or nothing, nothing reset silently, errors that name the key.
#include <string>

#include "support.hpp"

using namespace shmalloc::caching;

namespace {

Settings read(const char *text, const Settings &from = {}) {
  auto parsed = parse(from, text);
  good(parsed);
  return *parsed;
}

void all_keys_are_read(void **) {
  const Settings settings = read(
      " max_split_size_mb : 200, max_non_split_rounding_mb:32,large_segment_size_mb:30,roundup_power2_divisions:8,"
      "garbage_collection_threshold:0.8,per_process_memory_fraction:0.5,backend:native,expandable_segments:False,"
      "release_lock_on_cudamalloc:True");
  assert_int_equal(settings.max_split, 200 * kMiB);
  assert_int_equal(settings.non_split_rounding, 32 * kMiB);
  assert_int_equal(settings.large_segment, 30 * kMiB);
  for (int slot = 0; slot < 16; ++slot) assert_int_equal(settings.divisions.of(slot), 8);
  assert_true(settings.collect_from == 0.8);
  assert_true(settings.fraction == 0.5);
}

void divisions_as_a_list(void **) {
  Divisions divisions = read("roundup_power2_divisions:[4:2,64:4,256:8,>:1],max_split_size_mb:64").divisions;
  const std::uint64_t expected[16] = {2, 2, 2, 2, 2, 2, 4, 4, 8, 1, 1, 1, 1, 1, 1, 1};
  for (int slot = 0; slot < 16; ++slot) assert_int_equal(divisions.of(slot), expected[slot]);
  divisions = read("roundup_power2_divisions:[ 1:16 ]").divisions;
  for (int slot = 0; slot < 16; ++slot) assert_int_equal(divisions.of(slot), 16);
  assert_int_equal(read("roundup_power2_divisions:0", read("roundup_power2_divisions:4")).divisions.word(), 0);
}

void errors_name_the_key(void **) {
  const char *const wrong[][2] = {
      {"max_split_size_mb", "max_split_size_mb:19"},
      {"max_split_size_mb", "max_split_size_mb:40,large_segment_size_mb:50,max_non_split_rounding_mb:60"},
      {"max_split_size_mb", "max_split_size_mb:-1"},
      {"max_split_size_mb", "max_split_size_mb:18446744073709551615"},
      {"max_split_size_mb", "max_split_size_mb:"},
      {"max_split_size_mb", "max_split_size_mb"},
      {"max_split_size_mb", "max_split_size_mb:30,max_split_size_mb:40"},
      {"max_non_split_rounding_mb", "max_non_split_rounding_mb:19"},
      {"large_segment_size_mb", "large_segment_size_mb:10"},
      {"roundup_power2_divisions", "roundup_power2_divisions:3"},
      {"roundup_power2_divisions", "roundup_power2_divisions:65536"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[3:2]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[4:2,2:4]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[>:2]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[4:2,>:4,8:2]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[4:2"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[65536:2]"},
      {"roundup_power2_divisions", "roundup_power2_divisions:[4:2]x"},
      {"garbage_collection_threshold", "garbage_collection_threshold:1"},
      {"garbage_collection_threshold", "garbage_collection_threshold:nan"},
      {"garbage_collection_threshold", "garbage_collection_threshold:-0.5"},
      {"garbage_collection_threshold", "garbage_collection_threshold:0.5x"},
      {"per_process_memory_fraction", "per_process_memory_fraction:1.5"},
      {"backend", "backend:cudaMallocAsync"},
      {"expandable_segments", "expandable_segments:True"},
      {"expandable_segments", "expandable_segments:false"},
      {"max_split", "max_split:20"},
      {"MAX_SPLIT_SIZE_MB", "MAX_SPLIT_SIZE_MB:20"},
      {"comma", "backend:native,"},
      {"value", ","},
  };
  for (const auto &[word, text] : wrong) bad(parse({}, text), SHMALLOC_STATUS_INVALID, word);
}

void a_wrong_text_changes_nothing(void **) {
  Fixture at(1024 * kMiB, "max_split_size_mb:100");
  bad(at.cache.configure("garbage_collection_threshold:0.5,max_split_size_mb:1"), SHMALLOC_STATUS_INVALID, "max_split_size_mb");
  assert_true(at.cache.settings().collect_from == 0);
  assert_int_equal(at.cache.settings().max_split, 100 * kMiB);
}

// PyTorch's weakness: a second text takes back some of what the first one set, and tells another story.
void nothing_is_reset_silently(void **) {
  Fixture at(1024 * kMiB, "max_split_size_mb:100,roundup_power2_divisions:4,garbage_collection_threshold:0.5");
  good(at.cache.configure("max_non_split_rounding_mb:40"));
  good(at.cache.configure(""));
  const Settings settings = at.cache.settings();
  assert_int_equal(settings.max_split, 100 * kMiB);
  assert_int_equal(settings.divisions.of(3), 4);
  assert_true(settings.collect_from == 0.5);
  assert_int_equal(settings.non_split_rounding, 40 * kMiB);
  // It counts at once.
  at.free(at.allocate(3000));
  const Block *block = at.allocate(4500);
  assert_int_equal(block->size, 5120);
}

void what_is_told_can_be_read_again(void **) {
  const Settings settings = read("max_split_size_mb:64,roundup_power2_divisions:[2:4,32:8,>:0],garbage_collection_threshold:0.1");
  const std::string text = format(settings);
  assert_string_equal(format(read(text.c_str())).c_str(), text.c_str());
  assert_non_null(strstr(text.c_str(), "garbage_collection_threshold:0.1"));
  assert_int_equal(read(text.c_str()).divisions.word(), settings.divisions.word());
  assert_int_equal(read(format({}).c_str(), settings).max_split, kUnlimited);
}

void one_key_is_told(void **) {
  const Settings settings = read("max_split_size_mb:64,garbage_collection_threshold:0.25");
  const char *const values[][2] = {
      {"max_split_size_mb", "64"},          {"max_non_split_rounding_mb", "20"},
      {"large_segment_size_mb", "20"},      {"garbage_collection_threshold", "0.25"},
      {"per_process_memory_fraction", "1"}, {"backend", "native"},
      {"expandable_segments", "False"},     {"release_lock_on_cudamalloc", "True"},
  };
  for (const auto &[key, value] : values) {
    auto told = format_one(settings, key);
    good(told);
    assert_string_equal(told->c_str(), value);
    good(parse({}, std::string(key) + ":" + value));  // .. as it can be set
  }
  auto divisions = format_one(settings, "roundup_power2_divisions");
  good(divisions);
  assert_non_null(strstr(divisions->c_str(), "[1:0,2:0,"));
  for (const char *key : {"", "max_split", "max_split_size_mb ", "MAX_SPLIT_SIZE_MB"})
    bad(format_one(settings, key), SHMALLOC_STATUS_NOT_FOUND, key);
}

shmalloc_caching_params fields() { return SHMALLOC_INIT(shmalloc_caching_params); }

void fields_mean_what_keys_mean(void **) {
  shmalloc_caching_params params = fields();
  params.max_split_size = 200 * kMiB;
  params.max_non_split_rounding = 32 * kMiB;
  params.large_segment_size = 30 * kMiB;
  params.garbage_collection_ppm = 800000;
  params.memory_ppm = 500000;
  for (int slot = 0; slot < 16; ++slot) params.roundup_divisions[slot] = slot < 4 ? 8 : 1;
  auto set = parse(Settings(), params);
  good(set);
  const Settings same = read(
      "max_split_size_mb:200,max_non_split_rounding_mb:32,large_segment_size_mb:30,roundup_power2_divisions:[1:8,16:0],"
      "garbage_collection_threshold:0.8,per_process_memory_fraction:0.5");
  assert_string_equal(format(*set).c_str(), format(same).c_str());
  // 0 leaves a field as it is.
  auto left = parse(*set, fields());
  good(left);
  assert_string_equal(format(*left).c_str(), format(same).c_str());
  params = fields();
  params.roundup_divisions[2] = 16;
  auto one = parse(*set, params);
  good(one);
  assert_int_equal(one->divisions.of(1), 8);
  assert_int_equal(one->divisions.of(2), 16);
  assert_int_equal(one->divisions.of(3), 8);
}

void fields_can_be_set_to_nothing(void **) {
  shmalloc_caching_params params = fields();
  params.max_split_size = UINT64_MAX;
  params.garbage_collection_ppm = UINT32_MAX;
  params.memory_ppm = UINT32_MAX;
  auto set = parse(read("max_split_size_mb:64,garbage_collection_threshold:0.5"), params);
  good(set);
  assert_int_equal(set->max_split, kUnlimited);
  assert_true(set->collect_from == 0 && set->fraction == 0);
  params = fields();
  params.memory_ppm = 1000000;
  params.garbage_collection_ppm = 1;
  auto all = parse(*set, params);
  good(all);
  assert_true(all->fraction == 1 && all->collect_from == 1e-6);
}

void errors_name_the_field(void **) {
  struct Wrong {
    const char *field;
    void (*set)(shmalloc_caching_params *params);
  };
  using Params = shmalloc_caching_params;
  const Wrong wrong[] = {
      {"max_split_size", [](Params *params) { params->max_split_size = 19 * kMiB; }},
      {"max_split_size", [](Params *params) { params->max_split_size = 30 * kMiB + 1; }},
      {"max_split_size", [](Params *params) { params->max_split_size = kMost; }},
      {"max_split_size", [](Params *params) { params->max_split_size = UINT64_MAX - 1; }},
      {"max_split_size",
       [](Params *params) {
         params->max_split_size = 40 * kMiB;
         params->large_segment_size = 50 * kMiB;
         params->max_non_split_rounding = 60 * kMiB;
       }},
      {"max_non_split_rounding", [](Params *params) { params->max_non_split_rounding = 19 * kMiB; }},
      {"max_non_split_rounding", [](Params *params) { params->max_non_split_rounding = 30 * kMiB - 512; }},
      {"max_non_split_rounding", [](Params *params) { params->large_segment_size = 50 * kMiB; }},
      {"large_segment_size", [](Params *params) { params->large_segment_size = 10 * kMiB; }},
      {"large_segment_size", [](Params *params) { params->large_segment_size = 11 * kMiB + 1; }},
      {"large_segment_size", [](Params *params) { params->large_segment_size = UINT64_MAX; }},
      {"garbage_collection_ppm", [](Params *params) { params->garbage_collection_ppm = 1000000; }},
      {"garbage_collection_ppm", [](Params *params) { params->garbage_collection_ppm = UINT32_MAX - 1; }},
      {"memory_ppm", [](Params *params) { params->memory_ppm = 1000001; }},
      {"roundup_divisions", [](Params *params) { params->roundup_divisions[0] = 3; }},
      {"roundup_divisions", [](Params *params) { params->roundup_divisions[15] = 65536; }},
  };
  Fixture at(1024 * kMiB, "max_split_size_mb:100");
  const std::string before = format(at.cache.settings());
  for (const Wrong &one : wrong) {
    shmalloc_caching_params params = fields();
    params.roundup_divisions[3] = 4;
    params.memory_ppm = 500000;
    one.set(&params);
    bad(at.cache.configure(params), SHMALLOC_STATUS_INVALID, one.field);
    assert_string_equal(format(at.cache.settings()).c_str(), before.c_str());  // all or none
  }
  // It counts at once.
  shmalloc_caching_params params = fields();
  params.roundup_divisions[0] = 4;
  good(at.cache.configure(params));
  assert_int_equal(at.allocate(4500)->size, 5120);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(all_keys_are_read),
      cmocka_unit_test(divisions_as_a_list),
      cmocka_unit_test(errors_name_the_key),
      cmocka_unit_test(a_wrong_text_changes_nothing),
      cmocka_unit_test(nothing_is_reset_silently),
      cmocka_unit_test(what_is_told_can_be_read_again),
      cmocka_unit_test(one_key_is_told),
      cmocka_unit_test(fields_mean_what_keys_mean),
      cmocka_unit_test(fields_can_be_set_to_nothing),
      cmocka_unit_test(errors_name_the_field),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
