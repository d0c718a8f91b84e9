/* Many threads at once: nothing is lost, nothing happens twice, and at the end nothing is left. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support.h"

static shmalloc_allocator *map, *counted, *direct;
static char *at_first;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
  at_first = picture(own_prefix());
}

static void nothing_is_left(void) {
  EXPECT(OK, shmalloc_allocator_trim(NULL, 0, 0, NULL, &err));
  shmalloc_allocator *const all[] = {map, counted, direct};
  for (int i = 0; i < 3; ++i) {
    shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
    EXPECT(OK, shmalloc_allocator_get_info(all[i], &info, &err));
    CHECK(info.live_storages == 0 && info.live_bytes == 0 && info.references == 1);
  }
  SAME(at_first, own_prefix());
}

enum { kMost = 64 };
static pthread_t threads[kMost];
static pthread_barrier_t barrier;
static int thread_count;

/* `count` threads begin at the same moment; the argument is the number of each. */
static void start(int count, void *(*run)(void *)) {
  thread_count = count;
  CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)count) == 0);
  for (intptr_t i = 0; i < count; ++i) {
    const int error = pthread_create(&threads[i], NULL, run, (void *)i);
    if (error != 0) failed(__FILE__, __LINE__, "thread %d: %s", (int)i, strerror(error));
  }
}
static void join(void) {
  for (int i = 0; i < thread_count; ++i) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&barrier);
}

/* ---- 64 threads, each on its own ---- */

static void *make_check_release(void *number) {
  const unsigned self = (unsigned)(intptr_t)number;
  pthread_barrier_wait(&barrier);
  for (unsigned i = 0; i < (SANITIZED ? 20U : 100U); ++i) {
    shmalloc_storage *storages[4], *found = NULL;
    const size_t size = 100 + self * 64 + i;
    EXPECT(OK, create(map, size, 0, NULL, 2 * size, &storages[0]));
    EXPECT(OK, create(map, size, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storages[1]));
    EXPECT(OK, create(counted, size, 0, NULL, 0, &storages[2]));
    EXPECT(OK, create(direct, size, 0, NULL, 0, &storages[3]));
    for (unsigned k = 0; k < 4; ++k) fill(storages[k], self + i + k);
    EXPECT(OK, shmalloc_storage_grow(storages[0], 2 * size, 0, &err));
    fill(storages[0], self + i);
    EXPECT(OK, shmalloc_storage_share(storages[3], i % 2 == 0 ? map : counted, 0, &err));
    for (unsigned k = 0; k < 4; ++k) {
      size_t offset = 0;
      EXPECT(OK, shmalloc_storage_find(0, info_of(storages[k]).address + size - 1, &found, &offset, &err));
      CHECK(found == storages[k] && offset == size - 1 && wrong_byte(found, self + i + k) == SIZE_MAX);
      shmalloc_storage_release(found);
    }
    for (unsigned k = 0; k < 4; ++k) {
      if ((i + k) % 3 == 0) EXPECT(OK, shmalloc_storage_close(storages[k], &err));
      if ((i + k) % 2 == 0)
        shmalloc_storage_release(storages[k]);
      else
        shmalloc_release_deferred(storages[k]);
    }
  }
  return NULL;
}

TEST(sixty_four_threads_each_on_its_own) {
  begin();
  start(64, make_check_release);
  join();
  nothing_is_left();
}

/* ---- one storage that everybody wants something of ---- */

static shmalloc_storage *the_storage;
static atomic_int stop, pinned;

/* The statuses that a call may answer with while others are at it. */
static int one_of_statuses(shmalloc_status status, const char *call, int line, int count, const shmalloc_status *allowed) {
  for (int i = 0; i < count; ++i) {
    if (status == allowed[i]) return status == SHMALLOC_STATUS_OK;
  }
  failed(__FILE__, line, "%s is %s: %s", call, shmalloc_status_name(status), err.message);
}
#define ALLOWED(call, ...)                                                                                     \
  one_of_statuses((call), #call, __LINE__, sizeof((shmalloc_status[]){__VA_ARGS__}) / sizeof(shmalloc_status), \
                  (shmalloc_status[]){__VA_ARGS__})

static void *hold_and_look(void *number) {
  const int self = (int)(intptr_t)number;
  pthread_barrier_wait(&barrier);
  for (int i = 0; !atomic_load(&stop); ++i) {
    void *data = NULL;
    size_t size = 0;
    const shmalloc_access access = (i + self) % 3 == 0 ? SHMALLOC_ACCESS_DEFAULT : SHMALLOC_ACCESS_READ;
    shmalloc_storage_retain(the_storage);
    if (ALLOWED(shmalloc_storage_pin(the_storage, access, &data, &size, &err), SHMALLOC_STATUS_OK, SHMALLOC_STATUS_BUSY,
                SHMALLOC_STATUS_CLOSED)) {
      const volatile unsigned char *const bytes = data;
      for (size_t at = (size_t)self; at < 1000; at += 100)
        CHECK(bytes[at] == (unsigned char)(at * 31 + 5)); /* wherever it is now */
      atomic_fetch_add(&pinned, 1);
      shmalloc_storage_unpin(the_storage, access);
    }
    if (i % 8 == 0) info_of(the_storage);
    shmalloc_storage_release(the_storage);
  }
  return NULL;
}

static void *export_it(void *unused) {
  (void)unused;
  while (!atomic_load(&stop)) {
    uint8_t handle[SHMALLOC_HANDLE_MAX];
    size_t length = sizeof handle, one = 1;
    shmalloc_storage *imported = NULL;
    int32_t fd = -1;
    shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
    params.flags = (info_of(the_storage).state & SHMALLOC_STORAGE_STATE_READ_ONLY) != 0 ? SHMALLOC_EXPORT_READ_ONLY : 0;
    params.ttl_ns = SHMALLOC_TIME_NONE;
    if (ALLOWED(shmalloc_storage_export(the_storage, &params, handle, &length, &err), SHMALLOC_STATUS_OK,
                SHMALLOC_STATUS_UNSUPPORTED, SHMALLOC_STATUS_CLOSED, SHMALLOC_STATUS_PERMISSION)) {
      if (ALLOWED(shmalloc_storage_import(handle, length, NULL, 0, NULL, &imported, &err), SHMALLOC_STATUS_OK,
                  SHMALLOC_STATUS_STALE, SHMALLOC_STATUS_PERMISSION, SHMALLOC_STATUS_NOT_FOUND)) {
        shmalloc_storage_release(imported);
      }
    }
    if (ALLOWED(shmalloc_storage_export_fds(the_storage, &params, &fd, &one, &err), SHMALLOC_STATUS_OK, SHMALLOC_STATUS_UNSUPPORTED,
                SHMALLOC_STATUS_CLOSED, SHMALLOC_STATUS_PERMISSION)) {
      close(fd);
    }
  }
  return NULL;
}

static void *one_of_ten(void *number) {
  return (intptr_t)number < 8 ? hold_and_look(number) : (pthread_barrier_wait(&barrier), export_it(number));
}

/* Until some thread got another pin. */
static void let_them_pin(void) {
  const int before = atomic_load(&pinned);
  while (atomic_load(&pinned) == before) sched_yield();
}
/* Goes on until it was OK, which a pin delays; the pins never end, but there are moments between them. */
static void until_ok(shmalloc_status (*change)(void)) {
  while (!ALLOWED(change(), SHMALLOC_STATUS_OK, SHMALLOC_STATUS_BUSY)) sched_yield();
}
static shmalloc_status share_it(void) { return shmalloc_storage_share(the_storage, map, 0, &err); }
static shmalloc_status seal_it(void) { return shmalloc_storage_seal(the_storage, &err); }
static shmalloc_status close_it(void) { return shmalloc_storage_close(the_storage, &err); }

TEST(eight_threads_hold_what_others_share_seal_and_close) {
  begin();
  for (int round = 0; round < (SANITIZED ? 3 : 15); ++round) {
    EXPECT(OK, create(direct, 1000, 0, NULL, 0, &the_storage));
    fill(the_storage, 5);
    atomic_store(&stop, 0);
    start(10, one_of_ten);
    let_them_pin();
    until_ok(share_it);
    let_them_pin();
    if (round % 2 == 0) until_ok(seal_it);
    let_them_pin();
    until_ok(close_it);
    atomic_store(&stop, 1);
    join();
    const shmalloc_storage_info info = info_of(the_storage);
    CHECK(info.references == 1 && info.pins == 0 && (info.state & SHMALLOC_STORAGE_STATE_CLOSED) != 0);
    shmalloc_storage_release(the_storage);
  }
  nothing_is_left();
}

TEST(eight_threads_hold_what_grows) {
  begin();
  for (int round = 0; round < 4; ++round) {
    const size_t most = SANITIZED ? 40 * 4096 : 400 * 4096;
    EXPECT(OK, create(map, 4096, round % 2 == 0 ? 0 : SHMALLOC_MAPPED_SHAREDMEM, NULL, most, &the_storage));
    fill(the_storage, 5);
    atomic_store(&stop, 0);
    start(10, one_of_ten);
    for (size_t size = 4096; size <= most; size += 4096) {
      EXPECT(OK, shmalloc_storage_grow(the_storage, size, 0, &err));
      CHECK(((volatile char *)shmalloc_storage_data(the_storage))[size - 1] == (size == 4096 ? (char)(4095 * 31 + 5) : 0));
    }
    atomic_store(&stop, 1);
    join();
    shmalloc_storage_release(the_storage);
  }
  nothing_is_left();
}

/* ---- two that share the same storage ---- */

static atomic_int ended;
static unsigned char adopted[2000];
static void end_adopted(void *userdata) {
  CHECK(userdata == adopted);
  atomic_fetch_add(&ended, 1);
}
static void *share_once(void *unused) {
  (void)unused;
  pthread_barrier_wait(&barrier);
  EXPECT(OK, shmalloc_storage_share(the_storage, map, 0, &err));
  CHECK(wrong_byte(the_storage, 3) == SIZE_MAX);
  return NULL;
}

TEST(two_threads_share_one_storage_and_both_succeed) {
  begin();
  for (int round = 0; round < (SANITIZED ? 200 : 2000); ++round) {
    for (size_t i = 0; i < sizeof adopted; ++i) adopted[i] = (unsigned char)(i * 31 + 3);
    EXPECT(OK, shmalloc_storage_adopt(0, (uintptr_t)adopted, sizeof adopted, NULL, adopted, end_adopted, &the_storage, &err));
    start(2, share_once);
    join();
    CHECK(atomic_load(&ended) == round + 1 && info_of(the_storage).generation == 2);
    shmalloc_storage_release(the_storage);
  }
  CHECK(atomic_load(&ended) == (SANITIZED ? 200 : 2000));
  nothing_is_left();
}

/* ---- find and release ---- */

static _Atomic shmalloc_address addresses[16];
static void *make_and_release(void *number) {
  const intptr_t self = (intptr_t)number;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < (SANITIZED ? 2000 : 20000); ++i) {
    shmalloc_storage *storage = NULL;
    EXPECT(OK, create(self % 2 == 0 ? direct : map, 64 + (size_t)i % 1000, 0, NULL, 0, &storage));
    *(volatile unsigned char *)shmalloc_storage_data(storage) = 77;
    atomic_store(&addresses[self], shmalloc_storage_address(storage));
    if (i % 2 == 0)
      shmalloc_storage_release(storage);
    else
      shmalloc_release_deferred(storage);
  }
  return NULL;
}
static void *find_them(void *number) {
  if ((intptr_t)number < 4) return make_and_release(number);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < (SANITIZED ? 20000 : 200000); ++i) {
    const shmalloc_address address = atomic_load(&addresses[i % 4]);
    shmalloc_storage *found = NULL;
    size_t offset = 0;
    if (address == 0) continue;
    if (ALLOWED(shmalloc_storage_find(0, address + (unsigned)i % 64, &found, &offset, &err), SHMALLOC_STATUS_OK,
                SHMALLOC_STATUS_NOT_FOUND)) {
      CHECK(offset < shmalloc_storage_size(found) && shmalloc_storage_address(found) + offset == address + (unsigned)i % 64);
      shmalloc_storage_release(found);
    }
  }
  return NULL;
}

TEST(find_never_gives_what_is_being_released) {
  begin();
  start(8, find_them);
  join();
  nothing_is_left();
}

/* ---- deferred releases ---- */

enum { kPool = 64 };
static shmalloc_storage *pool[kPool];
static void *defer_and_drain(void *number) {
  const int self = (int)(intptr_t)number;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < (SANITIZED ? 2000 : 20000); ++i) {
    shmalloc_storage *const storage = pool[(i * 7 + self) % kPool];
    shmalloc_storage_retain(storage);
    shmalloc_release_deferred(storage);
    if (i % 5 == self % 5) {
      shmalloc_allocator_retain(map);
      shmalloc_release_deferred(map);
    }
    if (i % 16 == self % 16) EXPECT(OK, shmalloc_allocator_trim(NULL, SHMALLOC_TRIM_DEFERRED, 0, NULL, &err));
  }
  pthread_barrier_wait(&barrier);
  for (int i = self; i < kPool; i += 8) shmalloc_release_deferred(pool[i]); /* the last reference of each */
  return NULL;
}

TEST(deferred_releases_race_with_their_drain) {
  begin();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kPool; ++i) {
      pool[i] = NULL;
      EXPECT(OK, create(i % 2 == 0 ? map : direct, 100, i % 4 == 0 ? SHMALLOC_MAPPED_SHAREDMEM : 0, NULL, 0, &pool[i]));
    }
    start(8, defer_and_drain);
    join();
    nothing_is_left();
  }
}

RUN(cmocka_unit_test(sixty_four_threads_each_on_its_own), cmocka_unit_test(eight_threads_hold_what_others_share_seal_and_close),
    cmocka_unit_test(eight_threads_hold_what_grows), cmocka_unit_test(two_threads_share_one_storage_and_both_succeed),
    cmocka_unit_test(find_never_gives_what_is_being_released), cmocka_unit_test(deferred_releases_race_with_their_drain))
