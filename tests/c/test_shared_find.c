/* Storages in segments that are looked for by their addresses while their last references go: what is found is held, and nobody else's. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "support.h"

#ifdef SHMALLOC_KILL_POINTS
/* Built so, releases are asked at each step whether to go on: now and then they let others run there. */
int shmalloc_mutant; /* which mistake: src/cpp/allocators/shared/steps.hpp */
void shmalloc_kill_point(void);
void shmalloc_kill_point(void) {
  static _Thread_local unsigned times;
  if (++times % 4 == 0) sched_yield();
}
#endif

enum { kMakers = 2, kWords = 32, kMade = 500000 };

static atomic_bool stop;
static _Atomic(uintptr_t) address_of[kMakers];
static atomic_ulong next_number = 1;

/* Makes a storage, writes a number of its own everywhere, shows its address, gives it back; again and again. */
static void *make_and_release(void *argument) {
  _Atomic(uintptr_t) *shown = argument;
  while (!atomic_load(&stop)) {
    shmalloc_storage *storage = NULL;
    if (shmalloc_storage_create(NULL, kWords * sizeof(uint64_t), 0, NULL, &storage, NULL) != SHMALLOC_STATUS_OK) return argument;
    _Atomic(uint64_t) *words = shmalloc_storage_data(storage);
    const uint64_t number = atomic_fetch_add(&next_number, 1);
    for (int i = 0; i < kWords; ++i) atomic_store_explicit(&words[i], number, memory_order_relaxed);
    atomic_store(shown, (uintptr_t)words);
    shmalloc_storage_release(storage);
  }
  return NULL;
}

static uint64_t live_storages(void) {
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  shmalloc_allocator *current = NULL;
  OK(shmalloc_allocator_get_current(0, &current, err));
  OK(shmalloc_allocator_get_info(current, &info, err));
  shmalloc_allocator_release(current);
  return info.live_storages;
}

static void what_is_found_is_held(void **state) {
  (void)state;
  settle();
  pthread_t makers[kMakers];
  atomic_store(&stop, false);
  const unsigned long begin = atomic_load(&next_number);
  for (int i = 0; i < kMakers; ++i) assert_int_equal(pthread_create(&makers[i], NULL, make_and_release, &address_of[i]), 0);
  long found = 0;
  long looks = 0;
  /* Until so many were made and released: where the makers do not run, nothing is tried. */
  while (atomic_load(&next_number) - begin < kMade || looks < 5000) {
    const uintptr_t address = atomic_load(&address_of[looks % kMakers]);
    if (address == 0) continue;
    ++looks;
    shmalloc_storage *storage = NULL;
    size_t offset = 1;
    shmalloc_error error;
    const shmalloc_status status = shmalloc_storage_find(0, address, &storage, &offset, &error);
    if (status == SHMALLOC_STATUS_NOT_FOUND) continue;
    if (status != SHMALLOC_STATUS_OK) fail_msg("%s", error.message);
    ++found;
    assert_int_equal(offset, 0);
    assert_int_equal(shmalloc_storage_address(storage), address);
    /* Its maker may fill it just now. But nobody else gets this memory: the number in it changes once at most. */
    const _Atomic(uint64_t) *word = shmalloc_storage_data(storage);
    uint64_t last = atomic_load(word);
    int changes = 0;
    for (int look = 0; look < 200; ++look) {
      const uint64_t now = atomic_load(word);
      changes += now != last;
      last = now;
    }
    if (changes > 1) fail_msg("memory that is held served %d other storages meanwhile", changes);
    shmalloc_storage_release(storage);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < kMakers; ++i) {
    void *failed = NULL;
    pthread_join(makers[i], &failed);
    assert_null(failed);
  }
  printf("# %ld of %ld looks found one\n", found, looks);
  assert_int_equal(live_storages(), 0);
}

/* Threads come and go in the middle of releases: looking for an address waits for none that is gone, and nothing stays counted. */
static void threads_come_and_go(void **state) {
  (void)state;
  for (int round = 0; round < 50; ++round) {
    pthread_t maker;
    atomic_store(&stop, false);
    atomic_store(&address_of[0], 0);
    assert_int_equal(pthread_create(&maker, NULL, make_and_release, &address_of[0]), 0);
    while (atomic_load(&address_of[0]) == 0) sched_yield();
    shmalloc_storage *storage = NULL;
    const shmalloc_status status = shmalloc_storage_find(0, atomic_load(&address_of[0]), &storage, NULL, NULL);
    assert_true(status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_NOT_FOUND);
    shmalloc_storage_release(storage);
    atomic_store(&stop, true);
    pthread_join(maker, NULL);
    assert_int_equal(live_storages(), 0);
  }
}

/* A child of a fork in the middle of releases finds what it inherited, and waits for no thread that it does not have. */
static void a_child_waits_for_no_thread_of_its_parent(void **state) {
  (void)state;
  pthread_t maker;
  atomic_store(&stop, false);
  shmalloc_storage *kept = NULL;
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &kept, err));
  assert_int_equal(pthread_create(&maker, NULL, make_and_release, &address_of[0]), 0);
  for (int round = 0; round < 200; ++round) {
    IN_CHILD({
      shmalloc_storage *found = NULL;
      OK(shmalloc_storage_find(0, shmalloc_storage_address(kept), &found, NULL, err));
      assert_ptr_equal(found, kept);
      shmalloc_storage_release(found);
      shmalloc_storage *made = NULL;
      OK(shmalloc_storage_create(NULL, 100, 0, NULL, &made, err));
      OK(shmalloc_storage_find(0, shmalloc_storage_address(made), &found, NULL, err));
      shmalloc_storage_release(found);
      shmalloc_storage_release(made);
    });
  }
  atomic_store(&stop, true);
  pthread_join(maker, NULL);
  shmalloc_storage_release(kept);
}

#ifdef SHMALLOC_KILL_POINTS
/* With a mistake the first test must see it: 0 if it did, in one of many runs. A run that ends otherwise has seen nothing. */
static int find_the_mistake(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_found_is_held)};
  enum { kSeen = 3 };
  for (int run = 0; run < 100; ++run) {
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      alarm(20);
      _exit(cmocka_run_group_tests(tests, NULL, NULL) == 1 ? kSeen : 0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == kSeen) {
      printf("found in run %d\n", run + 1);
      return 0;
    }
  }
  printf("not found\n");
  return 1;
}
#endif

int main(int argc, char **argv) {
#ifdef SHMALLOC_KILL_POINTS
  if (argc > 2 && strcmp(argv[1], "mutant") == 0) {
    shmalloc_mutant = atoi(argv[2]);
    return find_the_mistake();
  }
#else
  (void)argc, (void)argv;
#endif
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_found_is_held),
      cmocka_unit_test(threads_come_and_go),
      cmocka_unit_test(a_child_waits_for_no_thread_of_its_parent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
