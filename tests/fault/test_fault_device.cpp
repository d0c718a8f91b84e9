// The same for devices: each system call and each allocation fails once in everything that is done on a device of one's own and on the host's
// memory as one. Whatever the outcome: a status with a message, every memory back at its device, every userdata given back once, nothing
// pinned, and it works again. Work is done on the threads that queue it, for what is counted has to be the same every time.
#include <cstdlib>
#include <initializer_list>

#include "faults.hpp"
#include "os/pages.hpp"
#include "support.h"

namespace {

shmalloc_error last;
bool ok(shmalloc_status status) {
  if (status == SHMALLOC_STATUS_OK) return true;
  if (last.status != status) fail_msg("status %d, but the error says %d: %s", status, last.status, last.message);
  if (memchr(last.message, 0, sizeof last.message) == last.message) fail_msg("status %d without a message", status);
  if (status == SHMALLOC_STATUS_INTERNAL || status == SHMALLOC_STATUS_INVALID) fail_msg("status %d: %s", status, last.message);
  return false;
}

// A device that does everything at once. Its own memory comes from where nothing fails.
int given = 0;
int destroyed = 0;
int adopted = 0;
uint64_t next_number = 1;
int32_t give(uint64_t size, uint64_t *out, void *) {
  if (size > uint64_t{1} << 30) return SHMALLOC_STATUS_NO_MEMORY;
  *out = reinterpret_cast<uintptr_t>(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096));
  if (*out == 0) return SHMALLOC_STATUS_NO_MEMORY;
  ++given;
  return 0;
}
int32_t take(uint64_t address, uint64_t, void *) {
  std::free(reinterpret_cast<void *>(address));
  --given;
  return 0;
}
int32_t memory(uint64_t *available, uint64_t *total, void *) {
  *available = *total = uint64_t{256} << 20;
  return 0;
}
int32_t copy(uint64_t to, uint64_t from, uint64_t size, uint64_t, void *) {
  memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), size);
  return 0;
}
int32_t fill(uint64_t to, uint32_t value, uint64_t size, uint64_t, void *) {
  memset(reinterpret_cast<void *>(to), static_cast<int>(value), size);
  return 0;
}
int32_t call(uint64_t, shmalloc_work_fn fn, void *argument, void *) {
  fn(argument);
  return 0;
}
int32_t number(uint64_t, uint64_t *out, void *) {
  *out = next_number++;
  return 0;
}
int32_t nothing(uint64_t, void *) { return 0; }
int32_t no_order(uint64_t, uint64_t, void *) { return 0; }
int32_t yes(uint64_t, int32_t *out, void *) {
  *out = 1;
  return 0;
}
void count_destroy(void *) { ++destroyed; }
int32_t hear(const shmalloc_notice *, void *) { return 0; }

shmalloc_backend table() {
  shmalloc_backend backend = SHMALLOC_INIT(shmalloc_backend);
  backend.name = "fault";
  backend.alignment = 4096;
  backend.capabilities = SHMALLOC_CAPABILITY_HOST_ACCESS;
  backend.allocate = give;
  backend.deallocate = take;
  backend.memory_info = memory;
  backend.copy = copy;
  backend.fill = fill;
  backend.call = call;
  backend.stream_create = backend.event_create = number;
  backend.stream_destroy = backend.stream_synchronize = backend.event_destroy = backend.event_synchronize = nothing;
  backend.stream_wait = backend.event_record = no_order;
  backend.event_query = yes;
  return backend;
}

struct Held {
  shmalloc_device device = 0;
  bool mine = false;
  shmalloc_stream stream = 0;
  shmalloc_event event = 0;
  shmalloc_allocator *allocator = nullptr;
  shmalloc_storage *storages[5] = {};
  shmalloc_address addresses[2] = {};
  ~Held() {
    for (const shmalloc_address address : addresses) {
      if (address != 0) OK(shmalloc_allocator_deallocate(allocator, address, SHMALLOC_STREAM_OWN, err));
    }
    for (shmalloc_storage *storage : storages) shmalloc_storage_release(storage);
    if (allocator != nullptr) {
      shmalloc_statistics statistics = SHMALLOC_INIT(shmalloc_statistics);
      OK(shmalloc_allocator_get_statistics(allocator, &statistics, err));
      assert_int_equal(statistics.allocation[0].current, 0);
    }
    shmalloc_allocator_release(allocator);
    if (event != 0) OK(shmalloc_event_destroy(device, event, err));
    // What a device without `synchronize` keeps of a stream that goes takes memory: nothing happened if there is none.
    if (stream != 0 && !ok(shmalloc_stream_destroy(device, stream, &last))) OK(shmalloc_stream_destroy(device, stream, err));
    if (mine) OK(shmalloc_device_unregister(device, err));
  }
};

void use(Held &held) {
  const shmalloc_device device = held.device;
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.device = device;
  params.config = "max_split_size_mb:64";
  if (!ok(shmalloc_allocator_create(&params, &held.allocator, &last))) return;
  shmalloc_allocator *allocator = held.allocator;
  uint64_t id = 0;
  ++adopted;
  if (ok(shmalloc_allocator_observe(allocator, 3, hear, nullptr, count_destroy, &id, &last))) {
    shmalloc_address none = 0;
    shmalloc_allocator_allocate(allocator, size_t{1} << 50, held.stream, &none, &last);
    ok(shmalloc_allocator_unobserve(allocator, id, &last));
  }
  shmalloc_history_params history = SHMALLOC_INIT(shmalloc_history_params);
  history.flags = SHMALLOC_HISTORY_RECORD;
  ok(shmalloc_allocator_record_history(allocator, &history, &last));
  for (shmalloc_address &address : held.addresses) ok(shmalloc_allocator_allocate(allocator, 100000, held.stream, &address, &last));
  ok(shmalloc_storage_create(allocator, 5000, held.stream, nullptr, &held.storages[0], &last));
  shmalloc_storage_params zeroed = SHMALLOC_INIT(shmalloc_storage_params);
  zeroed.flags = SHMALLOC_STORAGE_ZEROED;
  ok(shmalloc_storage_create(allocator, 5000, 0, &zeroed, &held.storages[1], &last));
  ok(shmalloc_storage_create(nullptr, 5000, 0, nullptr, &held.storages[2], &last));
  static unsigned char memory_of_mine[5000];
  ++adopted;
  ok(shmalloc_storage_adopt(device, reinterpret_cast<uintptr_t>(memory_of_mine), sizeof memory_of_mine, nullptr, nullptr,
                            count_destroy, &held.storages[3], &last));
  if (held.addresses[0] != 0) {
    ok(shmalloc_allocator_record_stream(allocator, held.addresses[0], 0, &last));
    shmalloc_address base = 0;
    uint64_t size = 0;
    ok(shmalloc_allocator_get_base(allocator, held.addresses[0], &base, &size, &last));
  }
  for (shmalloc_storage *from : held.storages) {
    for (shmalloc_storage *to : held.storages) {
      if (from == nullptr || to == nullptr || from == to) continue;
      ok(shmalloc_storage_copy(to, 0, from, 0, 5000, 0, SHMALLOC_COPY_NON_BLOCKING, &last));
      ok(shmalloc_storage_copy(to, 0, from, 0, 5000, 0, 0, &last));
    }
  }
  if (held.storages[0] != nullptr) ok(shmalloc_storage_record_stream(held.storages[0], 0, &last));
  shmalloc_cache_info info = SHMALLOC_INIT(shmalloc_cache_info);
  ok(shmalloc_allocator_get_cache_info(allocator, &info, &last));
  ok(shmalloc_allocator_snapshot(allocator, nullptr, nullptr, &held.storages[4], &last));
  ok(shmalloc_allocator_reset_statistics(allocator, 0, &last));
  ok(shmalloc_allocator_configure(allocator, "garbage_collection_threshold:0.1", &last));
  ok(shmalloc_allocator_trim(allocator, SHMALLOC_TRIM_FREE, 0, nullptr, &last));
  shmalloc_device_info about = SHMALLOC_INIT(shmalloc_device_info);
  ok(shmalloc_device_get_info(device, &about, &last));
}

void custom() {
  Held held;
  const shmalloc_backend backend = table();
  ++adopted;
  held.mine = ok(shmalloc_device_register(&backend, nullptr, count_destroy, &held.device, &last));
  if (!held.mine) return;
  if (ok(shmalloc_stream_create(held.device, &held.stream, &last)) && ok(shmalloc_event_create(held.device, &held.event, &last))) {
    ok(shmalloc_event_record(held.device, held.event, held.stream, &last));
    ok(shmalloc_stream_wait(held.device, 0, held.event, &last));
  }
  use(held);
}

// The default stream works in the calling thread.
void host() {
  Held held;
  held.device = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 7);
  if (ok(shmalloc_event_create(held.device, &held.event, &last))) ok(shmalloc_event_record(held.device, held.event, 0, &last));
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.device = held.device;
  if (!ok(shmalloc_allocator_create(&params, &held.allocator, &last))) return;
  for (shmalloc_address &address : held.addresses)
    ok(shmalloc_allocator_allocate(held.allocator, size_t{3} << 20, 0, &address, &last));
  ok(shmalloc_storage_create(held.allocator, 5000, 0, nullptr, &held.storages[0], &last));
  ok(shmalloc_storage_create(nullptr, 5000, 0, nullptr, &held.storages[1], &last));
  if (held.storages[0] != nullptr && held.storages[1] != nullptr)
    ok(shmalloc_storage_copy(held.storages[0], 0, held.storages[1], 0, 5000, 0, 0, &last));
}

void current() {
  const shmalloc_device device = SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 8);
  shmalloc_allocator *allocator = nullptr;
  if (ok(shmalloc_allocator_get_current(device, &allocator, &last))) ok(shmalloc_allocator_set_current(allocator, &last));
  shmalloc_allocator_release(allocator);
}

void clean() { shmalloc_allocator_trim(nullptr, 0, 0, nullptr, nullptr); }

void survive(void (*scenario)(), long least) {
  scenario();
  clean();
  faults::arm(0, 0);
  scenario();
  const long calls = faults::disarm();
  assert_true(calls >= least);
  clean();
  const held before = look();
  for (const int error : {ENOMEM, EACCES}) {
    for (long nth = 1; nth <= calls + 2; ++nth) {
      destroyed = adopted = 0;
      faults::arm(nth, error);
      scenario();
      faults::disarm();
      clean();
      if (destroyed != adopted) fail_msg("call %ld (%s): %d adopted, %d given back", nth, faults::failed(), adopted, destroyed);
      if (given != 0) fail_msg("call %ld (%s): the device misses %d pieces of memory", nth, faults::failed(), given);
      const held now = look();
      if (now.descriptors != before.descriptors || now.mappings != before.mappings)
        fail_msg("call %ld (%s, errno %d) left something", nth, faults::failed(), error);
    }
  }
  scenario();
  clean();
}

void custom_survives(void **) { survive(custom, 50); }
void host_survives(void **) { survive(host, 5); }
void current_survives(void **) { survive(current, 0); }

}  // namespace

int main() {
  shmalloc::os::pages_report();  // Chosen once a process, whatever fails then.
  settle();
  faults::install();
  const CMUnitTest tests[] = {
      cmocka_unit_test(custom_survives),
      cmocka_unit_test(host_survives),
      cmocka_unit_test(current_survives),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
