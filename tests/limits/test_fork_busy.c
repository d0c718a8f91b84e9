/* Fork while other threads are inside the library, and inside a log listener. The child goes on as if it had been alone. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "support.h"

#if TSAN
/* The child's log lock is a new one where the parent's was, which TSan has seen locked by fork. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "mutex:shmalloc::log\nmutex:shmalloc::set_log\nmutex:shmalloc::lock_log\n"; }
#endif

enum { kSize = 3000, kThreads = 8, kForks = SANITIZED ? 40 : 200 };

static shmalloc_allocator *map, *counted, *direct;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s,export_ttl_ms:2", own_prefix()); /* exports pile up otherwise */
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

/* Something that the library logs: a counted object whose count a peer truncated away. */
static void make_it_log(void) {
  shmalloc_storage *storage = NULL;
  char name[128], path[160];
  size_t length = sizeof name;
  EXPECT(OK, create(counted, 100, 0, NULL, 0, &storage));
  EXPECT(OK, shmalloc_storage_get_name(storage, name, &length, &err));
  snprintf(path, sizeof path, "/dev/shm%s", name);
  CHECK(truncate(path, 0) == 0);
  shmalloc_storage_release(storage);
  CHECK(unlink(path) == 0 || errno == ENOENT);
}

/* Each operation once. */
static void do_everything(void) {
  shmalloc_storage *memfd = NULL, *named = NULL, *heap = NULL, *counting = NULL, *got = NULL, *found = NULL;
  EXPECT(OK, create(map, kSize, 0, NULL, 4 * kSize, &memfd));
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 4 * kSize, &named));
  EXPECT(OK, create(counted, kSize, 0, NULL, 0, &counting));
  EXPECT(OK, create(direct, kSize, 0, NULL, 0, &heap));
  fill(heap, 1);
  EXPECT(OK, shmalloc_storage_share(heap, map, 0, &err));
  EXPECT(OK, shmalloc_storage_copy(named, 0, heap, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
  EXPECT(OK, shmalloc_storage_copy(counting, 0, named, 0, SHMALLOC_SIZE_ALL, 0, 0, &err));
  EXPECT(OK, shmalloc_storage_grow(memfd, 2 * kSize, 0, &err));
  EXPECT(OK, shmalloc_storage_grow(named, 3 * kSize, 0, &err));
  EXPECT(OK, shmalloc_storage_find(0, info_of(named).address + 1, &found, NULL, &err));
  shmalloc_storage_release(found);
  EXPECT(OK, shmalloc_storage_pin(counting, SHMALLOC_ACCESS_WRITE, NULL, NULL, &err));
  shmalloc_storage_unpin(counting, SHMALLOC_ACCESS_WRITE);
  EXPECT(OK, shmalloc_torch_refcount(counting, 0, NULL, &err));
  shmalloc_storage *const all[] = {memfd, named, counting, heap};
  for (int i = 0; i < 4; ++i) {
    uint8_t handle[SHMALLOC_HANDLE_MAX];
    size_t length = sizeof handle;
    shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
    params.ttl_ns = i % 2 == 0 ? SHMALLOC_TIME_DEFAULT : 1;
    EXPECT(OK, shmalloc_storage_export(all[i], &params, handle, &length, &err));
    EXPECT(OK, shmalloc_storage_import(handle, length, NULL, 0, NULL, &got, &err));
    if (i == 3) CHECK(wrong_byte(got, 1) == SIZE_MAX);
    shmalloc_storage_release(got);
  }
  int ends[2];
  size_t count = 1;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  EXPECT(OK, shmalloc_storage_send(ends[0], &counting, 1, NULL, &err));
  EXPECT(OK, shmalloc_storage_receive(ends[1], NULL, &got, &count, &err));
  CHECK(wrong_byte(got, 1) == SIZE_MAX);
  shmalloc_storage_release(got);
  close(ends[0]);
  close(ends[1]);
  const shmalloc_status sealed = shmalloc_storage_seal(memfd, &err);
  CHECK(sealed == SHMALLOC_STATUS_OK || sealed == SHMALLOC_STATUS_BUSY); /* BUSY: a forked child maps it as well */
  EXPECT(OK, shmalloc_storage_close(memfd, &err));
  shmalloc_release_deferred(memfd);
  shmalloc_storage_release(named);
  shmalloc_storage_release(counting);
  shmalloc_storage_release(heap);
  make_it_log();
  EXPECT(OK, shmalloc_allocator_trim(NULL, 0, 0, NULL, &err));
}

static atomic_int stop, lines;
static void count_line(int32_t level, const char *message, void *userdata) {
  (void)level, (void)message, (void)userdata;
  atomic_fetch_add(&lines, 1);
}
static void *work(void *argument) {
  while (!atomic_load(&stop)) {
    if (argument != NULL)
      do_everything();
    else
      make_it_log();
  }
  return NULL;
}

/* Seen: a child that waits for ever for a lock of ASan's allocator, which another thread held when it was forked. */
static void needs_an_allocator_that_forks(void) {
  if (ASAN) SKIP("ASan's allocator (of gcc 12, clang 14) is not made for a fork while other threads are inside it");
}

TEST(two_hundred_forks_among_eight_busy_threads) {
  needs_an_allocator_that_forks();
  begin();
  shmalloc_storage *shared = NULL;
  EXPECT(OK, create(map, kSize, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &shared));
  EXPECT(OK, shmalloc_set_log(count_line, SHMALLOC_LOG_LEVEL_NOTE, NULL, NULL, &err));
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_create(&threads[i], NULL, work, i == 0 ? NULL : &stop) == 0);
  for (int i = 0; i < kForks; ++i) {
    const pid_t child = fork_child();
    if (child == 0) {
      atomic_store(&lines, 0);
      do_everything();
      if (atomic_load(&lines) != 1) failed(__FILE__, __LINE__, "%d lines", atomic_load(&lines));
      EXPECT(OK, shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, &err));
      shmalloc_storage_release(shared);
      const pid_t grandchild = i % 16 == 0 ? fork_child() : 1;
      if (grandchild == 0) {
        do_everything();
        _exit(0);
      }
      if (i % 16 == 0) JOIN(grandchild);
      if (SANITIZED) _exit(0); /* what exit does with threads that are gone is their affair */
      exit(0);
    }
    JOIN(child);
    fill(shared, (unsigned)i);
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  EXPECT(OK, shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, &err));
  CHECK(atomic_load(&lines) > 0 && wrong_byte(shared, kForks - 1) == SIZE_MAX);
  shmalloc_storage_release(shared);
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  shmalloc_allocator *const all[] = {map, counted, direct};
  for (int i = 0; i < 3; ++i) {
    EXPECT(OK, shmalloc_allocator_get_info(all[i], &info, &err));
    CHECK(info.live_storages == 0 && info.live_bytes == 0);
  }
}

/* ---- forking inside a listener ---- */

static _Atomic pid_t forked_from; /* the process whose listener forks, once */
static void fork_in_listener(int32_t level, const char *message, void *userdata) {
  (void)level, (void)message;
  atomic_fetch_add(&lines, 1);
  pid_t self = getpid();
  if (!atomic_compare_exchange_strong(&forked_from, &self, 0)) return;
  const pid_t child = fork_child();
  if (child != 0) {
    JOIN(child);
    return;
  }
  *(int *)userdata = 1; /* a child, still inside the listener: lines of its calls are dropped */
  atomic_store(&lines, 0);
  do_everything();
  CHECK(atomic_load(&lines) == 0);
  EXPECT(BUSY, shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, &err));
}

static void go_on_outside(void) {
  make_it_log();
  CHECK(atomic_load(&lines) == 1);
  const pid_t child = fork_child();
  if (child == 0) {
    do_everything();
    CHECK(atomic_load(&lines) == 2);
    _exit(0);
  }
  JOIN(child);
  EXPECT(OK, shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, &err));
  do_everything();
  CHECK(atomic_load(&lines) == 1);
}

TEST(a_listener_may_fork_and_its_child_return) {
  begin();
  int in_child = 0;
  EXPECT(OK, shmalloc_set_log(fork_in_listener, SHMALLOC_LOG_LEVEL_NOTE, &in_child, NULL, &err));
  atomic_store(&forked_from, getpid());
  make_it_log();
  if (!in_child) CHECK(atomic_exchange(&lines, 0) == 1);
  go_on_outside();
}

/* Other threads are in the listener too, or wait to replace it, and are gone in the child. */
static sem_t inside, leave;
static _Atomic int waiter_tid;
static void wait_or_fork(int32_t level, const char *message, void *userdata) {
  if (userdata != NULL && atomic_load(&forked_from) == getpid()) {
    if (atomic_load(&lines) == 0) {
      atomic_store(&lines, 1);
      CHECK(sem_post(&inside) == 0);
      while (sem_wait(&leave) != 0) continue;
      return;
    }
  }
  fork_in_listener(level, message, userdata);
}

/* Until a thread of this process sleeps in the kernel, or `unless` is set. */
static void until_asleep(_Atomic int *tid, atomic_int *unless) {
  for (;;) {
    char path[64], text[256] = "";
    sched_yield();
    if (unless != NULL && atomic_load(unless)) return;
    if (atomic_load(tid) == 0) continue;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(tid));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    const char *const state = got > 0 ? strrchr(text, ')') : NULL;
    if (state != NULL && state[2] == 'S') return;
  }
}

static void *log_in_thread(void *unused) {
  (void)unused;
  make_it_log();
  return NULL;
}
static void *replace_in_thread(void *unused) {
  (void)unused;
  atomic_store(&waiter_tid, (int)syscall(SYS_gettid));
  EXPECT(OK, shmalloc_set_log(count_line, SHMALLOC_LOG_LEVEL_NOTE, NULL, NULL, &err)); /* waits for the other thread to leave */
  return NULL;
}

static void fork_with_others_inside(int with_writer) {
  begin();
  int in_child = 0;
  pthread_t other, writer;
  CHECK(sem_init(&inside, 0, 0) == 0 && sem_init(&leave, 0, 0) == 0);
  EXPECT(OK, shmalloc_set_log(wait_or_fork, SHMALLOC_LOG_LEVEL_NOTE, &in_child, NULL, &err));
  atomic_store(&forked_from, getpid());
  CHECK(pthread_create(&other, NULL, log_in_thread, NULL) == 0);
  while (sem_wait(&inside) != 0) continue;
  if (with_writer) {
    CHECK(pthread_create(&writer, NULL, replace_in_thread, NULL) == 0);
    until_asleep(&waiter_tid, NULL);
  }
  make_it_log(); /* forks */
  if (in_child) {
    go_on_outside();
    if (ASAN) _exit(0); /* what the other thread's stack held is lost here */
    return;
  }
  CHECK(sem_post(&leave) == 0);
  pthread_join(other, NULL);
  if (with_writer) pthread_join(writer, NULL);
  make_it_log();
  EXPECT(OK, shmalloc_set_log(NULL, SHMALLOC_LOG_LEVEL_NONE, NULL, NULL, &err));
}
TEST(a_listener_forks_while_another_thread_is_in_it) { fork_with_others_inside(0); }
TEST(a_listener_forks_while_another_thread_waits_to_replace_it) { fork_with_others_inside(1); }

/* A listener that calls the library while another thread forks: neither may wait for the other. */
static _Atomic int forker_tid;
static atomic_int fork_done, listened;
static void call_in_listener(int32_t level, const char *message, void *userdata) {
  (void)level, (void)message, (void)userdata;
  CHECK(sem_post(&inside) == 0);
  until_asleep(&forker_tid, &fork_done); /* it waits for us to leave, holding what it already has */
  do_everything();
  atomic_store(&listened, 1);
}

TEST(a_listener_calls_the_library_while_another_thread_forks) {
  needs_an_allocator_that_forks();
  begin();
  pthread_t other;
  CHECK(sem_init(&inside, 0, 0) == 0);
  EXPECT(OK, shmalloc_set_log(call_in_listener, SHMALLOC_LOG_LEVEL_NOTE, NULL, NULL, &err));
  CHECK(pthread_create(&other, NULL, log_in_thread, NULL) == 0);
  while (sem_wait(&inside) != 0) continue;
  atomic_store(&forker_tid, (int)syscall(SYS_gettid));
  const pid_t child = fork_child();
  if (child == 0) {
    EXPECT(OK, shmalloc_set_log(count_line, SHMALLOC_LOG_LEVEL_NOTE, NULL, NULL, &err));
    do_everything();
    _exit(0);
  }
  atomic_store(&fork_done, 1);
  JOIN(child);
  pthread_join(other, NULL);
  CHECK(atomic_load(&listened) == 1);
}

RUN(cmocka_unit_test(two_hundred_forks_among_eight_busy_threads), cmocka_unit_test(a_listener_may_fork_and_its_child_return),
    cmocka_unit_test(a_listener_forks_while_another_thread_is_in_it),
    cmocka_unit_test(a_listener_forks_while_another_thread_waits_to_replace_it),
    cmocka_unit_test(a_listener_calls_the_library_while_another_thread_forks))
