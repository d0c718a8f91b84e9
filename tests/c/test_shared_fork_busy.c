/* Kind SHARED, and forks in the middle of everything: other threads make, export, import and release while one forks. */
#include "shared.h"

#if TSAN
/* A forked child has the threads of its parent in TSan's books, and nobody who could join them. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }
#endif

enum { kMakers = 2, kShown = 4, kSize = 700 };

/* What makers show to whoever is forked: alive, and theirs, as long as it stands here. */
static struct shown {
  _Atomic(shmalloc_storage *) storage;
  _Atomic(unsigned) seed;
} shown[kMakers][kShown];
static shmalloc_allocator *allocator;
static atomic_int stop;
static struct handle handles[4];

static void *make_without_end(void *argument) {
  struct shown *mine = argument;
  for (unsigned seed = (unsigned)(uintptr_t)argument; !stop; ++seed) {
    shmalloc_storage *storage = NULL;
    PEER_OK(shmalloc_storage_create(allocator, kSize, 0, NULL, &storage, err));
    fill(storage, seed);
    struct shown *at = &mine[seed % kShown];
    shmalloc_storage *before = at->storage;
    at->storage = NULL;
    at->seed = seed;
    at->storage = storage; /* shown before the next step, which may have to wait for the fork */
    shmalloc_storage_release(before);
    if (seed % 64 == 0) usleep(50);
  }
  return NULL;
}

static void *import_without_end(void *argument) {
  (void)argument;
  for (unsigned i = 0; !stop; ++i) {
    shmalloc_storage *storage = import_in_peer(&handles[i % 4]);
    if (!intact(storage, i % 4)) abort();
    shmalloc_storage_release(storage);
  }
  return NULL;
}

/* A storage that a child found is the child's, whatever the parent does with its own. */
static void check_what_is_shown(void) {
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < kMakers * kShown; ++i) {
      struct shown *at = &shown[i / kShown][i % kShown];
      shmalloc_storage *storage = at->storage;
      if (storage != NULL) CHILD_CHECK(intact(storage, at->seed));
    }
    usleep(500);
  }
}

static void what_is_made_during_a_fork_is_kept_for_the_child(void **state) {
  (void)state;
  pthread_t ids[kMakers];
  allocator = make_shared("segment_size:67108864,export_ttl_ms:0");
  shmalloc_storage *anchor = make_filled(allocator, 100, 0);
  stop = 0;
  for (int i = 0; i < kMakers; ++i) pthread_create(&ids[i], NULL, make_without_end, shown[i]);
  for (int round = 0; round < (ASAN || TSAN ? 40 : 200); ++round) {
    pid_t children[3];
    for (int i = 0; i < 3; ++i) {
      fflush(NULL);
      children[i] = fork();
      if (children[i] == 0) {
        alarm(100);
        check_what_is_shown();
        _exit(0);
      }
    }
    for (int i = 0; i < 3; ++i) {
      int status = 0;
      waitpid(children[i], &status, 0);
      if (status != 0) {
        stop = 1;
        fail_msg("a child of round %d ended with %#x", round, (unsigned)status);
      }
    }
  }
  stop = 1;
  for (int i = 0; i < kMakers; ++i) pthread_join(ids[i], NULL);
  for (int i = 0; i < kMakers * kShown; ++i) {
    shmalloc_storage_release(shown[i / kShown][i % kShown].storage);
    shown[i / kShown][i % kShown].storage = NULL;
  }
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

/* An importer forks while its other threads import and let go; its children import too, and hold while the owner releases. */
static void fork_and_import(int socket) {
  pthread_t ids[2];
  int ready[2];
  for (int i = 0; i < 4; ++i) CHILD_CHECK(hear(socket, &handles[i], sizeof(struct handle)));
  for (int i = 0; i < 2; ++i) pthread_create(&ids[i], NULL, import_without_end, NULL);
  for (int round = 0; round < 100; ++round) {
    CHILD_CHECK(pipe(ready) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(100);
      for (unsigned i = 0; i < 400; ++i) {
        shmalloc_storage *storage = import_in_peer(&handles[i % 4]);
        CHILD_CHECK(intact(storage, i % 4));
        shmalloc_storage_release(storage);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    CHILD_CHECK(status == 0);
    close(ready[0]);
    close(ready[1]);
  }
  stop = 1;
  for (int i = 0; i < 2; ++i) pthread_join(ids[i], NULL);
  shmalloc_storage *held[4]; /* a child holds alone */
  const pid_t last = fork();
  if (last == 0) {
    for (unsigned i = 0; i < 4; ++i) held[i] = import_in_peer(&handles[i]);
    signal_peer(socket);
    await_peer(socket);
    for (unsigned i = 0; i < 4; ++i) CHILD_CHECK(intact(held[i], i));
    for (unsigned i = 0; i < 4; ++i) shmalloc_storage_release(held[i]);
    signal_peer(socket);
    await_peer(socket);
    _exit(0);
  }
  int status = 0;
  waitpid(last, &status, 0);
  CHILD_CHECK(status == 0);
}

static void imports_race_with_forks(void **state) {
  (void)state;
  struct peer peer = begin_peer(fork_and_import);
  shmalloc_storage *storages[4];
  allocator = make_shared("segment_size:67108864,export_ttl_ms:0");
  shmalloc_storage *anchor = make_filled(allocator, 100, 0);
  for (unsigned i = 0; i < 4; ++i) {
    storages[i] = make_filled(allocator, kSize, i);
    const struct handle handle = export_of(storages[i], 0, SHMALLOC_TIME_NONE);
    tell(peer.socket, &handle, sizeof handle);
  }
  await_peer(peer.socket);
  for (unsigned i = 0; i < 4; ++i) shmalloc_storage_release(storages[i]);
  for (unsigned i = 0; i < 200; ++i) shmalloc_storage_release(make_filled(allocator, kSize, 100 + i));
  trim(allocator);
  signal_peer(peer.socket);
  await_peer(peer.socket);
  shmalloc_storage_release(anchor);
  assert_empty(allocator);
  signal_peer(peer.socket);
  end_peer(peer);
  shmalloc_allocator_release(allocator);
}

/* Children of children of children, all at once, each with storages of its own and those of its fathers. */
static void storm(int depth, shmalloc_storage **storages, unsigned count) {
  pid_t children[3];
  for (int i = 0; depth > 0 && i < 3; ++i) {
    children[i] = fork();
    if (children[i] == 0) {
      alarm(100);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (unsigned k = 0; k < count; ++k) CHILD_CHECK(intact(storages[k], k));
      PEER_OK(shmalloc_storage_create(allocator, kSize, 0, NULL, &storages[count], err));
      fill(storages[count], count);
      storm(depth - 1, storages, count + 1);
      for (unsigned k = 0; k <= count; ++k) CHILD_CHECK(intact(storages[k], k));
      for (unsigned k = 0; k <= count; ++k) {
        if ((k + (unsigned)i) % 2 == 0) shmalloc_storage_release(storages[k]);
      }
      _exit(0);
    }
  }
  for (int i = 0; depth > 0 && i < 3; ++i) {
    int status = 0;
    waitpid(children[i], &status, 0);
    CHILD_CHECK(status == 0);
  }
}

static void storms_of_forks_pass(void **state) {
  (void)state;
  shmalloc_storage *storages[8] = {NULL};
  allocator = make_shared("segment_size:67108864,export_ttl_ms:0");
  storages[0] = make_filled(allocator, kSize, 0);
  export_of(storages[0], 0, 0);
  storm(4, storages, 1);
  assert_true(intact(storages[0], 0));
  shmalloc_storage_release(storages[0]);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_made_during_a_fork_is_kept_for_the_child),
      cmocka_unit_test(imports_race_with_forks),
      cmocka_unit_test(storms_of_forks_pass),
  };
  return cmocka_run_group_tests_name("shared_fork_busy", tests, NULL, NULL);
}
