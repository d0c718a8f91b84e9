/* Kind CACHING by address: reuse in stream order, settings, statistics, observers, what is told of it. */
#include <pthread.h>

#include "devices.h"

#define MIB ((size_t)1 << 20)

static shmalloc_address allocate(shmalloc_allocator *allocator, size_t size, shmalloc_stream stream) {
  shmalloc_address address = 0;
  OK(shmalloc_allocator_allocate(allocator, size, stream, &address, err));
  return address;
}

/* All is given back, and every current number is 0. */
static void end_allocator(shmalloc_allocator *allocator) {
  OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 0, NULL, err));
  const shmalloc_statistics now = statistics_of(allocator);
  for (int pool = 0; pool < 3; ++pool) {
    assert_int_equal(now.allocation[pool].current, 0);
    assert_int_equal(now.active[pool].current, 0);
    assert_int_equal(now.segment[pool].current, 0);
    assert_int_equal(now.inactive_split[pool].current, 0);
    assert_int_equal(now.reserved_bytes[pool].current, 0);
    assert_int_equal(now.allocated_bytes[pool].current, 0);
    assert_int_equal(now.requested_bytes[pool].current, 0);
  }
  shmalloc_allocator_release(allocator);
}

static void what_is_given_back_serves_again(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_stream stream = make_stream();
  const shmalloc_address first = allocate(allocator, 1000, stream);
  assert_int_equal(first % 512, 0);
  const shmalloc_address second = allocate(allocator, 1000, stream);
  assert_true(second != first);
  OK(shmalloc_allocator_deallocate(allocator, first, stream, err));
  assert_true(allocate(allocator, 1024, stream) == first);
  const shmalloc_statistics now = statistics_of(allocator);
  assert_int_equal(now.allocation[0].current, 2);
  assert_int_equal(now.allocation[0].allocated, 3);
  assert_int_equal(now.allocated_bytes[0].current, 2048);
  assert_int_equal(now.requested_bytes[0].current, 2024);
  assert_int_equal(now.reserved_bytes[0].current, 2 * MIB);
  assert_int_equal(now.num_device_alloc, 1);
  OK(shmalloc_allocator_deallocate(allocator, first, SHMALLOC_STREAM_OWN, err));
  OK(shmalloc_allocator_deallocate(allocator, second, stream, err));
  OK(shmalloc_allocator_deallocate(allocator, 0, stream, err));
  FAILS(NOT_FOUND, "no block", shmalloc_allocator_deallocate(allocator, second, stream, err));
  FAILS(NOT_FOUND, "no block", shmalloc_allocator_deallocate(allocator, 4096, stream, err));
  assert_true(allocate(allocator, 0, stream) == 0);
  end_stream(stream);
  end_allocator(allocator);
}

/* Memory that another stream uses is not handed out before that stream has done what was queued when it was given back. */
static void other_streams_are_waited_for(void **state) {
  (void)state;
  for (int by_record = 0; by_record < 2; ++by_record) {
    shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
    const shmalloc_stream own_stream = make_stream(), other = make_stream();
    struct gate gate;
    const shmalloc_address used = allocate(allocator, MIB, own_stream);
    close_gate(&gate, other);
    OK(shmalloc_device_fill(DEVICE, used, 1, MIB, other, err));
    if (by_record) OK(shmalloc_allocator_record_stream(allocator, used, other, err));
    OK(shmalloc_allocator_deallocate(allocator, used, by_record ? own_stream : other, err));
    assert_int_equal(statistics_of(allocator).pending.current, 1);
    const shmalloc_address next = allocate(allocator, MIB, own_stream);
    assert_true(next != used);
    OK(shmalloc_allocator_deallocate(allocator, next, SHMALLOC_STREAM_OWN, err));
    open_gate(&gate);
    OK(shmalloc_stream_synchronize(DEVICE, other, err));
    shmalloc_address again[2] = {allocate(allocator, MIB, own_stream), allocate(allocator, MIB, own_stream)};
    assert_true(again[0] == used || again[1] == used);
    for (int i = 0; i < 2; ++i) OK(shmalloc_allocator_deallocate(allocator, again[i], SHMALLOC_STREAM_OWN, err));
    assert_int_equal(statistics_of(allocator).pending.current, 0);
    end_stream(own_stream);
    end_stream(other);
    end_allocator(allocator);
  }
}

static void a_block_is_part_of_what_the_device_gave(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_address first = allocate(allocator, 512, 0), second = allocate(allocator, 512, 0);
  shmalloc_address base = 0;
  uint64_t size = 0;
  OK(shmalloc_allocator_get_base(allocator, second, &base, &size, err));
  assert_true(base == first);
  assert_int_equal(size, 2 * MIB);
  FAILS(NOT_FOUND, "", shmalloc_allocator_get_base(allocator, second + 1, &base, &size, err));
  FAILS(INVALID, "out_base", shmalloc_allocator_get_base(allocator, second, NULL, &size, err));
  FAILS(INVALID, "out_size", shmalloc_allocator_get_base(allocator, second, &base, NULL, err));
  FAILS(NOT_FOUND, "", shmalloc_allocator_record_stream(allocator, second + 1, 0, err));
  OK(shmalloc_allocator_deallocate(allocator, first, 0, err));
  OK(shmalloc_allocator_deallocate(allocator, second, 0, err));
  end_allocator(allocator);
}

static void the_cache_tells_what_it_could_give(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_address address = allocate(allocator, 30 * MIB, 0);
  shmalloc_cache_info info = SHMALLOC_INIT(shmalloc_cache_info);
  OK(shmalloc_allocator_get_cache_info(allocator, &info, err));
  assert_int_equal(info.cached, 0);
  assert_true(info.available > 0 && info.available <= info.total && info.largest >= info.available);
  OK(shmalloc_allocator_deallocate(allocator, address, 0, err));
  OK(shmalloc_allocator_get_cache_info(allocator, &info, err));
  assert_int_equal(info.cached, 30 * MIB);
  uint64_t bytes = 0;
  OK(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 0, &bytes, err));
  assert_int_equal(bytes, 30 * MIB);
  OK(shmalloc_allocator_get_cache_info(allocator, &info, err));
  assert_int_equal(info.cached, 0);
  end_allocator(allocator);
}

static void settings_come_as_text_and_as_fields(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, "max_split_size_mb:64, garbage_collection_threshold:0.5");
  char text[400];
  size_t length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "max_split_size_mb", text, &length, err));
  assert_string_equal(text, "64");
  OK(shmalloc_allocator_configure(allocator, "max_split_size_mb:128", err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "garbage_collection_threshold", text, &length, err));
  assert_string_equal(text, "0.5");
  assert_int_equal(statistics_of(allocator).max_split_size, 128 * MIB);
  shmalloc_caching_params params = SHMALLOC_INIT(shmalloc_caching_params);
  params.max_split_size = 256 * MIB;
  params.memory_ppm = 250000;
  for (int i = 0; i < 16; ++i) params.roundup_divisions[i] = 4;
  OK(shmalloc_allocator_configure_caching(allocator, &params, err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, NULL, text, &length, err));
  assert_non_null(strstr(text, "max_split_size_mb:256"));
  assert_non_null(strstr(text, "garbage_collection_threshold:0.5"));
  assert_non_null(strstr(text, "per_process_memory_fraction:0.25"));
  const shmalloc_address address = allocate(allocator, 1200 * 1024, 0);
  assert_int_equal(statistics_of(allocator).allocated_bytes[0].current, 1280 * 1024);
  OK(shmalloc_allocator_deallocate(allocator, address, 0, err));
  FAILS(INVALID, "max_split_size_mb", shmalloc_allocator_configure(allocator, "large_segment_size_mb:30,max_split_size_mb:5", err));
  FAILS(INVALID, "nonsense", shmalloc_allocator_configure(allocator, "nonsense:1", err));
  FAILS(NOT_FOUND, "nonsense", shmalloc_allocator_get_config(allocator, "nonsense", text, &length, err));
  params.max_split_size = MIB + 1;
  FAILS(INVALID, "max_split_size", shmalloc_allocator_configure_caching(allocator, &params, err));
  FAILS(INVALID, "params", shmalloc_allocator_configure_caching(allocator, NULL, err));
  length = sizeof text;
  OK(shmalloc_allocator_get_config(allocator, "max_split_size_mb", text, &length, err));
  assert_string_equal(text, "256");
  end_allocator(allocator);
}

struct heard {
  int low, out, destroyed;
  shmalloc_notice last;
  char report[4000];
  shmalloc_allocator *allocator;
  shmalloc_address spare;
};

static int32_t observe(const shmalloc_notice *notice, void *userdata) {
  struct heard *heard = userdata;
  heard->last = *notice;
  snprintf(heard->report, sizeof heard->report, "%s", notice->report);
  if (notice->kind == SHMALLOC_NOTICE_OUT_OF_MEMORY) {
    ++heard->out;
    return 0;
  }
  ++heard->low;
  if (heard->spare == 0) return 0;
  OK(shmalloc_allocator_deallocate(heard->allocator, heard->spare, SHMALLOC_STREAM_OWN, err));
  heard->spare = 0;
  return 1;
}

static void destroy_heard(void *userdata) { ++((struct heard *)userdata)->destroyed; }

static void observers_hear_and_help(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  static struct heard heard;
  memset(&heard, 0, sizeof heard);
  heard.allocator = allocator;
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(DEVICE, &info, err));
  uint64_t id = 0;
  OK(shmalloc_allocator_observe(allocator, SHMALLOC_NOTICE_MEMORY_LOW | SHMALLOC_NOTICE_OUT_OF_MEMORY, observe, &heard,
                                destroy_heard, &id, err));
  assert_true(id != 0);
  /* Room for 60 MiB and a little. */
  shmalloc_caching_params params = SHMALLOC_INIT(shmalloc_caching_params);
  params.memory_ppm = (uint32_t)(64.0 * MIB * 1e6 / (double)info.total) + 1;
  OK(shmalloc_allocator_configure_caching(allocator, &params, err));
  heard.spare = allocate(allocator, 40 * MIB, 0);
  const int low = heard.low;
  assert_true(low > 0);
  const shmalloc_address helped = allocate(allocator, 36 * MIB, 0);
  assert_int_equal(heard.spare, 0);
  assert_int_equal(heard.out, 0);
  shmalloc_address none = 1;
  FAILS(NO_MEMORY, "", shmalloc_allocator_allocate(allocator, 100 * MIB, 0, &none, err));
  assert_int_equal(none, 1);
  assert_int_equal(heard.out, 1);
  assert_int_equal(heard.last.kind, SHMALLOC_NOTICE_OUT_OF_MEMORY);
  assert_int_equal(heard.last.requested, 100 * MIB);
  assert_true(heard.last.rounded >= heard.last.requested && heard.last.device == DEVICE);
  assert_true(heard.last.allocated >= 36 * MIB && heard.last.limit < heard.last.total);
  assert_non_null(strstr(heard.report, "per_process_memory_fraction"));
  assert_int_equal(statistics_of(allocator).num_ooms, 1);
  OK(shmalloc_allocator_unobserve(allocator, id, err));
  assert_int_equal(heard.destroyed, 1);
  FAILS(NOT_FOUND, "", shmalloc_allocator_unobserve(allocator, id, err));
  FAILS(NO_MEMORY, "", shmalloc_allocator_allocate(allocator, 100 * MIB, 0, &none, err));
  assert_int_equal(heard.out, 1);
  OK(shmalloc_allocator_deallocate(allocator, helped, 0, err));
  /* Refused: the user's data comes back at once. At the allocator's end: then. */
  FAILS(UNSUPPORTED, "", shmalloc_allocator_observe(allocator, 1U << 20, observe, &heard, destroy_heard, &id, err));
  FAILS(INVALID, "kinds", shmalloc_allocator_observe(allocator, 0, observe, &heard, destroy_heard, &id, err));
  FAILS(INVALID, "fn", shmalloc_allocator_observe(allocator, 1, NULL, &heard, destroy_heard, &id, err));
  assert_int_equal(heard.destroyed, 4);
  for (int i = 0; i < 16; ++i) OK(shmalloc_allocator_observe(allocator, 1, observe, &heard, destroy_heard, &id, err));
  FAILS(NO_SPACE, "16", shmalloc_allocator_observe(allocator, 1, observe, &heard, destroy_heard, &id, err));
  assert_int_equal(heard.destroyed, 5);
  end_allocator(allocator);
  assert_int_equal(heard.destroyed, 21);
}

static void only_caching_can(void **state) {
  (void)state;
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_address address = 0;
  uint64_t number = 0;
  shmalloc_cache_info info = SHMALLOC_INIT(shmalloc_cache_info);
  const shmalloc_caching_params params = SHMALLOC_INIT(shmalloc_caching_params);
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_allocate(map, 512, 0, &address, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_deallocate(map, 512, 0, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_record_stream(map, 512, 0, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_get_base(map, 512, &address, &number, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_get_cache_info(map, &info, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_configure_caching(map, &params, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_observe(map, 1, observe, NULL, NULL, &number, err));
  FAILS(UNSUPPORTED, "CACHING", shmalloc_allocator_unobserve(map, 1, err));
  FAILS(INVALID, "allocator", shmalloc_allocator_allocate(NULL, 512, 0, &address, err));
  shmalloc_allocator_release(map);
  shmalloc_allocator_params kind = SHMALLOC_INIT(shmalloc_allocator_params);
  kind.kind = SHMALLOC_ALLOCATOR_KIND_CACHING;
  FAILS(UNSUPPORTED, "HOST_STREAMS", shmalloc_allocator_create(&kind, &map, err));
  kind.device = DEVICE;
  kind.kind = SHMALLOC_ALLOCATOR_KIND_MAP;
  FAILS(UNSUPPORTED, "kind 2", shmalloc_allocator_create(&kind, &map, err));
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  FAILS(INVALID, "reserved", shmalloc_allocator_allocate(allocator, 512, SHMALLOC_STREAM_OWN, &address, err));
  FAILS(INVALID, "out_address", shmalloc_allocator_allocate(allocator, 512, 0, NULL, err));
  FAILS(NO_MEMORY, "", shmalloc_allocator_allocate(allocator, SIZE_MAX / 2, 0, &address, err));
  end_allocator(allocator);
}

static void each_device_has_a_current_allocator(void **state) {
  (void)state;
  const shmalloc_device device = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 5);
  shmalloc_allocator *current = NULL, *again = NULL, *host = NULL;
  OK(shmalloc_allocator_get_current(device, &current, err));
  OK(shmalloc_allocator_get_current(device, &again, err));
  OK(shmalloc_allocator_get_current(SHMALLOC_DEVICE_HOST, &host, err));
  assert_ptr_equal(current, again);
  assert_ptr_not_equal(current, host);
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  const shmalloc_address address = allocate(current, 3000, 0);
  OK(shmalloc_allocator_get_info(current, &info, err));
  assert_true(info.device == device);
  assert_int_equal(info.kind, SHMALLOC_ALLOCATOR_KIND_CACHING);
  assert_int_equal(info.alignment, 512);
  assert_int_equal(info.live_storages, 1);
  assert_int_equal(info.live_bytes, 3000);
  assert_true((info.capabilities & SHMALLOC_CAPABILITY_STREAMS) != 0);
  shmalloc_allocator *other = make_caching(device, NULL);
  FAILS(BUSY, "live", shmalloc_allocator_set_current(other, err));
  OK(shmalloc_allocator_deallocate(current, address, 0, err));
  OK(shmalloc_allocator_set_current(other, err));
  shmalloc_allocator_release(again);
  OK(shmalloc_allocator_get_current(device, &again, err));
  assert_ptr_equal(again, other);
  shmalloc_allocator_release(again);
  shmalloc_allocator_release(current);
  shmalloc_allocator_release(other);
  shmalloc_allocator_release(host);
}

static char *snapshot_of(shmalloc_allocator *allocator) {
  shmalloc_storage *text = NULL;
  OK(shmalloc_allocator_snapshot(allocator, NULL, NULL, &text, err));
  char *copy = calloc(1, shmalloc_storage_size(text) + 1);
  memcpy(copy, shmalloc_storage_data(text), shmalloc_storage_size(text));
  shmalloc_storage_release(text);
  return copy;
}

static int count_of(const char *text, const char *word) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, word)) != NULL; ++at) ++count;
  return count;
}

static void snapshots_have_blocks_and_history(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  shmalloc_history_params history = SHMALLOC_INIT(shmalloc_history_params);
  history.flags = SHMALLOC_HISTORY_RECORD;
  OK(shmalloc_allocator_record_history(allocator, &history, err));
  const shmalloc_address first = allocate(allocator, 512, 0), second = allocate(allocator, 600, 0);
  OK(shmalloc_allocator_deallocate(allocator, first, 0, err));
  char *text = snapshot_of(allocator);
  assert_int_equal(count_of(text, "\"active_allocated\""), 1);
  assert_int_equal(count_of(text, "\"inactive\""), 2);
  assert_int_equal(count_of(text, "\"action\":\"alloc\""), 2);
  assert_int_equal(count_of(text, "\"action\":\"free_completed\""), 1);
  assert_int_equal(count_of(text, "\"action\":\"segment_alloc\""), 1);
  assert_int_equal(count_of(text, "\"total_size\":2097152"), 1);
  free(text);
  history.flags = SHMALLOC_HISTORY_CLEAR;
  OK(shmalloc_allocator_record_history(allocator, &history, err));
  OK(shmalloc_allocator_deallocate(allocator, allocate(allocator, 512, 0), 0, err));
  text = snapshot_of(allocator);
  assert_int_equal(count_of(text, "\"action\":\"alloc\""), 0);
  free(text);
  FAILS(INVALID, "to", shmalloc_allocator_snapshot(allocator, NULL, allocator, &(shmalloc_storage *){NULL}, err));
  OK(shmalloc_allocator_deallocate(allocator, second, 0, err));
  end_allocator(allocator);
}

static void statistics_begin_anew(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_address kept = allocate(allocator, 512, 0);
  OK(shmalloc_allocator_deallocate(allocator, allocate(allocator, 3 * MIB, 0), 0, err));
  assert_int_equal(statistics_of(allocator).allocated_bytes[SHMALLOC_STAT_POOL_LARGE].peak, 3 * MIB);
  OK(shmalloc_allocator_reset_statistics(allocator, 0, err));
  const shmalloc_statistics now = statistics_of(allocator);
  assert_int_equal(now.allocated_bytes[0].peak, 512);
  assert_int_equal(now.allocation[0].allocated, 0);
  assert_int_equal(now.allocation[0].current, 1);
  OK(shmalloc_allocator_deallocate(allocator, kept, 0, err));
  end_allocator(allocator);
}

struct work {
  shmalloc_allocator *allocator;
  shmalloc_stream streams[4];
  unsigned seed;
};

static void *allocate_at_random(void *of) {
  const struct work *work = of;
  unsigned seed = work->seed;
  shmalloc_address kept[64] = {0};
  for (int i = 0; i < 20000; ++i) {
    seed = seed * 1664525 + 1013904223;
    const unsigned at = seed >> 26;
    if (kept[at] != 0) {
      const shmalloc_stream stream = (seed & 32) != 0 ? SHMALLOC_STREAM_OWN : work->streams[(seed >> 8) % 4];
      if (shmalloc_allocator_deallocate(work->allocator, kept[at], stream, NULL) != SHMALLOC_STATUS_OK) return of;
      kept[at] = 0;
    }
    if (shmalloc_allocator_allocate(work->allocator, (size_t)1 << (9 + (seed >> 12) % 12), work->streams[(seed >> 4) % 4],
                                    &kept[at], NULL) != SHMALLOC_STATUS_OK)
      return of;
  }
  for (int i = 0; i < 64; ++i) {
    if (shmalloc_allocator_deallocate(work->allocator, kept[i], SHMALLOC_STREAM_OWN, NULL) != SHMALLOC_STATUS_OK) return of;
  }
  return NULL;
}

static void eight_threads_on_four_streams(void **state) {
  (void)state;
  struct work work[8] = {{.allocator = make_caching(DEVICE, NULL)}};
  pthread_t threads[8];
  for (int i = 0; i < 4; ++i) work[0].streams[i] = make_stream();
  for (unsigned i = 0; i < 8; ++i) {
    work[i] = work[0];
    work[i].seed = i + 1;
    assert_int_equal(pthread_create(&threads[i], NULL, allocate_at_random, &work[i]), 0);
  }
  for (int i = 0; i < 8; ++i) {
    void *failed = NULL;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  OK(shmalloc_device_synchronize(DEVICE, err));
  end_allocator(work[0].allocator);
  for (int i = 0; i < 4; ++i) end_stream(work[0].streams[i]);
}

/* What the parent has of a device the child has not; giving back does nothing there, and harms nothing. */
static void a_child_has_no_device_memory(void **state) {
  (void)state;
  shmalloc_allocator *allocator = make_caching(DEVICE, NULL);
  const shmalloc_address address = allocate(allocator, 4096, 0);
  OK(shmalloc_allocator_deallocate(allocator, allocate(allocator, 512, 0), 0, err));
  const int touchable = host_access();
  if (touchable) memset((void *)(uintptr_t)address, 3, 4096);
  IN_CHILD({
    shmalloc_address more = 0;
    shmalloc_error error;
    CHILD_CHECK(shmalloc_allocator_allocate(allocator, 512, 0, &more, &error) == SHMALLOC_STATUS_BACKEND);
    CHILD_CHECK(strstr(error.message, "fork") != NULL);
    CHILD_CHECK(shmalloc_allocator_deallocate(allocator, address, 0, NULL) == SHMALLOC_STATUS_OK);
    shmalloc_allocator_release(allocator);
    if (!touchable) _exit(0); /* GPUs are for processes that begin with an exec. */
    shmalloc_allocator *mine = NULL;
    shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
    params.device = DEVICE;
    CHILD_CHECK(shmalloc_allocator_create(&params, &mine, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_allocator_allocate(mine, 512, 0, &more, NULL) == SHMALLOC_STATUS_OK);
    CHILD_CHECK(shmalloc_allocator_deallocate(mine, more, 0, NULL) == SHMALLOC_STATUS_OK);
    shmalloc_allocator_release(mine);
  });
  if (touchable) assert_int_equal(((unsigned char *)(uintptr_t)address)[4095], 3);
  OK(shmalloc_allocator_deallocate(allocator, address, 0, err));
  end_allocator(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_given_back_serves_again),
      cmocka_unit_test(other_streams_are_waited_for),
      cmocka_unit_test(a_block_is_part_of_what_the_device_gave),
      cmocka_unit_test(the_cache_tells_what_it_could_give),
      cmocka_unit_test(settings_come_as_text_and_as_fields),
      cmocka_unit_test(observers_hear_and_help),
      cmocka_unit_test(only_caching_can),
      cmocka_unit_test(each_device_has_a_current_allocator),
      cmocka_unit_test(snapshots_have_blocks_and_history),
      cmocka_unit_test(statistics_begin_anew),
      cmocka_unit_test(eight_threads_on_four_streams),
      cmocka_unit_test(a_child_has_no_device_memory),
  };
  return cmocka_run_group_tests(tests, NULL, no_mistakes);
}
