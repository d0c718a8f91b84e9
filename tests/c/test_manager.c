/* PyTorch's torch_shm_manager protocol: our responder, our client, and what a hostile client gets. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "shmalloc/torch.h"
#include "support.h"

/* 68 bytes: pid, free, name of at most 59 bytes. Written down once more, not taken from the library. */
static void record_of(char *record, int32_t pid, char free, const char *name) {
  memset(record, 0, 68);
  memcpy(record, &pid, 4);
  record[4] = free;
  strncpy(record + 5, name, 59);
}

struct manager {
  char path[108];
  int stop[2];
  pthread_t thread;
  shmalloc_status status;
};
static void *run(void *argument) {
  struct manager *manager = argument;
  manager->status = shmalloc_torch_manager_run(manager->path, manager->stop[0], NULL);
  return NULL;
}
static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  /* The responder may not have come to listening yet. */
  while (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) sched_yield();
  return fd;
}
static void start(struct manager *manager) {
  snprintf(manager->path, sizeof manager->path, "%s", own("/tmp/shmalloc-test-manager"));
  assert_int_equal(pipe2(manager->stop, O_CLOEXEC), 0);
  assert_int_equal(pthread_create(&manager->thread, NULL, run, manager), 0);
  close(connect_to(manager->path));
}
static void stop(struct manager *manager) {
  close(manager->stop[1]);
  pthread_join(manager->thread, NULL);
  assert_int_equal(manager->status, SHMALLOC_STATUS_OK);
  close(manager->stop[0]);
  assert_int_equal(access(manager->path, F_OK), -1);
}
static int registered(const char *path, const char *name) {
  const int fd = connect_to(path);
  char record[68];
  char answer[2];
  record_of(record, getpid(), 0, name);
  assert_int_equal(send(fd, record, 68, 0), 68);
  assert_int_equal(recv(fd, answer, 2, MSG_WAITALL), 2);
  assert_memory_equal(answer, "OK", 2);
  return fd;
}
static void make_object(const char *name) {
  char file[160];
  snprintf(file, sizeof file, "/dev/shm%s", name);
  const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, 4096), 0);
  close(fd);
}
static int exists(const char *name) {
  char file[160];
  snprintf(file, sizeof file, "/dev/shm%s", name);
  return access(file, F_OK) == 0;
}

static void what_a_dead_client_registered_goes(void **state) {
  (void)state;
  const struct held before = look();
  struct manager manager;
  start(&manager);
  char name[64];
  snprintf(name, sizeof name, "%s", own("/torch_dead"));
  make_object(name);
  const int one = registered(manager.path, name);
  const int two = registered(manager.path, name);
  close(one);
  const int third = registered(manager.path, "/torch_other"); /* so the first end was heard */
  assert_int_equal(exists(name), 1);                          /* the second client still registers it */
  close(two);
  while (exists(name)) sched_yield();
  close(third);
  stop(&manager);
  SAME(before);
}

static void what_a_process_still_uses_stays(void **state) {
  (void)state;
  struct manager manager;
  start(&manager);
  char name[64];
  snprintf(name, sizeof name, "%s", own("/torch_used"));
  make_object(name);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t user = fork(); /* maps it and never registers */
  if (user == 0) {
    char file[160];
    snprintf(file, sizeof file, "/dev/shm%s", name);
    const int fd = open(file, O_RDWR);
    if (fd < 0 || write(ends[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  assert_int_equal(read(ends[0], &byte, 1), 1);
  const int client = registered(manager.path, name);
  close(client);
  close(registered(manager.path, "/torch_other"));
  close(registered(manager.path, "/torch_other")); /* it had the time to sweep */
  assert_int_equal(exists(name), 1);
  kill(user, SIGKILL);
  waitpid(user, NULL, 0);
  while (exists(name)) sched_yield(); /* it looks again by itself */
  stop(&manager);
  close(ends[0]);
  close(ends[1]);
}

static void our_client_registers_and_says_when_it_closes(void **state) {
  (void)state;
  struct manager manager;
  start(&manager);
  char config[160];
  snprintf(config, sizeof config, "manager:%s,export_ttl_ms:0", manager.path);
  shmalloc_allocator *counted = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  shmalloc_storage *storage = NULL;
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  OK(shmalloc_storage_create(counted, 1000, 0, NULL, &storage, err));
  shmalloc_export_params to = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  to.format = from.format = SHMALLOC_HANDLE_FORMAT_TORCH_FILE;
  to.ttl_ns = SHMALLOC_TIME_NONE;
  OK(shmalloc_storage_export(storage, &to, handle, &length, err));
  assert_memory_equal(handle, manager.path, strlen(manager.path)); /* the manager travels in the handle */
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = fork(); /* attaches, registers, and is killed without closing */
  if (child == 0) {
    shmalloc_storage *mine = NULL;
    if (shmalloc_storage_import(handle, length, NULL, 0, &from, &mine, NULL) != SHMALLOC_STATUS_OK) _exit(1);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  assert_int_equal(read(ends[0], &byte, 1), 1);
  int32_t count = 0;
  OK(shmalloc_torch_refcount(storage, 0, &count, err));
  assert_int_equal(count, 2);
  char name[128];
  length = sizeof name;
  OK(shmalloc_storage_get_name(storage, name, &length, err));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  shmalloc_storage_release(storage);  /* the count stays at 1: the dead never lowered it */
  while (exists(name)) sched_yield(); /* but nobody uses it, so the manager takes it */
  shmalloc_allocator_release(counted);
  stop(&manager);
  close(ends[0]);
  close(ends[1]);
}

static void a_manager_that_is_gone_is_an_error_to_make_and_a_warning_to_open(void **state) {
  (void)state;
  shmalloc_allocator *counted = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, "manager:/tmp/shmalloc-test-no-manager");
  shmalloc_allocator *alone = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, NULL);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *opened = NULL;
  const struct held before = look();
  FAILS(PEER_GONE, "no manager answers", shmalloc_storage_create(counted, 1000, 0, NULL, &storage, err));
  SAME(before);
  OK(shmalloc_storage_create(alone, 1000, 0, NULL, &storage, err));
  char handle[256] = "/tmp/shmalloc-test-no-manager\n";
  size_t length = 200;
  OK(shmalloc_storage_get_name(storage, handle + strlen(handle), &length, err));
  strcat(handle, "\n1000");
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  from.format = SHMALLOC_HANDLE_FORMAT_TORCH_FILE;
  OK(shmalloc_storage_import((const uint8_t *)handle, strlen(handle), NULL, 0, &from, &opened, err));
  shmalloc_storage_release(opened);
  shmalloc_storage_release(storage);
  shmalloc_allocator_release(counted);
  shmalloc_allocator_release(alone);
}

static void hostile_clients_are_dropped(void **state) {
  (void)state;
  const struct held before = look();
  struct manager manager;
  start(&manager);
  static const char *const names[] = {"", "x", "/", "/../etc/passwd", "/a/b"};
  char record[68];
  char byte;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    const int fd = connect_to(manager.path);
    record_of(record, 1, 0, names[i]);
    assert_int_equal(send(fd, record, 68, MSG_NOSIGNAL), 68);
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* closed, unanswered */
    close(fd);
  }
  const int endless = connect_to(manager.path);
  memset(record, 'A', sizeof record); /* a name without an end */
  assert_int_equal(send(endless, record, 68, MSG_NOSIGNAL), 68);
  assert_int_equal(recv(endless, &byte, 1, 0), 0);
  close(endless);
  const int half = connect_to(manager.path);
  record_of(record, getpid(), 0, "/torch_half");
  assert_int_equal(send(half, record, 30, MSG_NOSIGNAL), 30);
  close(registered(manager.path, "/torch_half")); /* others are served meanwhile */
  assert_int_equal(send(half, record + 30, 38, MSG_NOSIGNAL), 38);
  assert_int_equal(recv(half, record, 2, MSG_WAITALL), 2);
  close(half);
  const int liar = connect_to(manager.path); /* takes off what it never put on */
  record_of(record, getpid(), 1, "/torch_liar");
  assert_int_equal(send(liar, record, 68, MSG_NOSIGNAL), 68);
  close(liar);
  stop(&manager);
  SAME(before);
}

static void one_manager_a_path(void **state) {
  (void)state;
  struct manager manager;
  start(&manager);
  FAILS(EXISTS, "another manager", shmalloc_torch_manager_run(manager.path, manager.stop[0], err));
  stop(&manager);
  /* A socket that a dead one left is taken over. */
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", manager.path);
  const int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof address), 0);
  close(dead);
  start(&manager);
  stop(&manager);
  char too_long[200];
  memset(too_long, 'x', sizeof too_long);
  too_long[199] = 0;
  FAILS(NO_SPACE, "107", shmalloc_torch_manager_run(too_long, 0, err));
  FAILS(INVALID, "empty", shmalloc_torch_manager_run("", 0, err));
  FAILS(INVALID, "stop_fd", shmalloc_torch_manager_run("/tmp/x", -1, err));
  FAILS(INVALID, "path", shmalloc_torch_manager_run(NULL, 0, err));
  FAILS(NOT_FOUND, "", shmalloc_torch_manager_run("/nowhere/socket", 0, err));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_dead_client_registered_goes),
      cmocka_unit_test(what_a_process_still_uses_stays),
      cmocka_unit_test(our_client_registers_and_says_when_it_closes),
      cmocka_unit_test(a_manager_that_is_gone_is_an_error_to_make_and_a_warning_to_open),
      cmocka_unit_test(hostile_clients_are_dropped),
      cmocka_unit_test(one_manager_a_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
