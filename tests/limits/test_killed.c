/* SIGKILL at any instruction. A child makes, sends, receives, counts and closes without end until it is killed in the middle of it; the
 * survivor's bytes are as they were, and after shmalloc_machine_reclaim nothing of the dead is left. In the environment:
 *     SHMALLOC_KILLS   how often
 *     SHMALLOC_SEED    the random numbers of a run that is to be repeated */
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>

#include "support.h"

static shmalloc_allocator *map, *counted, *direct;

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s,export_ttl_ms:0", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

static uint64_t random_state;
static unsigned random_below(unsigned end) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state >> 33) % end;
}
static void seed_random(void) {
  const char *const wanted = getenv("SHMALLOC_SEED");
  random_state = wanted != NULL ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
  fprintf(stderr, "# SHMALLOC_SEED=%llu\n", (unsigned long long)random_state);
}
static int rounds(int usual) {
  const char *const wanted = getenv("SHMALLOC_KILLS");
  if (wanted != NULL) alarm(0);
  return wanted != NULL ? atoi(wanted) : SANITIZED ? usual / 5 : usual;
}

/* What is in a storage follows from its size. */
static void write_it(shmalloc_storage *storage) { fill(storage, (unsigned)shmalloc_storage_size(storage)); }
static void check_it(shmalloc_storage *storage, int line) {
  const size_t at = wrong_byte(storage, (unsigned)shmalloc_storage_size(storage));
  if (at != SIZE_MAX) failed(__FILE__, line, "byte %zu of %zu is wrong", at, shmalloc_storage_size(storage));
}

static shmalloc_storage *make_one(void) {
  const size_t size = 100 + random_below(20000);
  shmalloc_storage *storage = NULL;
  switch (random_below(5)) {
    case 0:
      EXPECT(OK, create(map, size, 0, NULL, 0, &storage));
      break;
    case 1:
      EXPECT(OK, create(map, size, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &storage));
      break;
    case 2:
      EXPECT(OK, create(counted, size, 0, NULL, 0, &storage));
      break;
    case 3:
      EXPECT(OK, create(direct, size, 0, NULL, 0, &storage));
      EXPECT(OK, shmalloc_storage_share(storage, random_below(2) == 0 ? map : counted, 0, &err));
      break;
    default:
      EXPECT(OK, create(map, 1, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_KEEPFD, NULL, size, &storage));
      EXPECT(OK, shmalloc_storage_grow(storage, size, 0, &err));
  }
  write_it(storage);
  return storage;
}

/* A message that may be refused by a full socket, or by the other end's death. */
static void send_some(int socket, shmalloc_storage *const *storages, size_t count) {
  const shmalloc_status status = shmalloc_storage_send(socket, storages, count, NULL, &err);
  if (status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_TIMEOUT || status == SHMALLOC_STATUS_PEER_GONE) return;
  failed(__FILE__, __LINE__, "sending is %s: %s", shmalloc_status_name(status), err.message);
}

/* Takes a message if there is one; how many storages, -1 once the other end is gone. */
static int receive_some(int socket, shmalloc_storage **out, size_t room) {
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.timeout_ns = SHMALLOC_TIME_NONE;
  const shmalloc_status status = shmalloc_storage_receive(socket, &params, out, &room, &err);
  if (status == SHMALLOC_STATUS_TIMEOUT) return 0;
  if (status == SHMALLOC_STATUS_PEER_GONE) return -1;
  /* A counted object on the way: nobody holds it, so its last owner's close, or a reclaim, removed it. */
  if (status == SHMALLOC_STATUS_STALE || status == SHMALLOC_STATUS_NOT_FOUND) return 0;
  expect(SHMALLOC_STATUS_OK, status, "shmalloc_storage_receive", __FILE__, __LINE__);
  for (size_t i = 0; i < room; ++i) check_it(out[i], __LINE__);
  return (int)room;
}

__attribute__((noreturn)) static void live_until_killed(int socket) {
  shmalloc_storage *held[8] = {NULL};
  for (unsigned at = 0;; at = random_below(8)) {
    shmalloc_storage *got[4] = {NULL}, *again = NULL;
    uint8_t handle[SHMALLOC_HANDLE_MAX];
    size_t length = sizeof handle;
    if (held[at] == NULL) held[at] = make_one();
    switch (random_below(9)) {
      case 0:
      case 1:
        send_some(socket, &held[at], 1);
        break;
      case 2:
        send_some(socket, (shmalloc_storage *[]){held[at], held[at], held[at]}, 3);
        break;
      case 3:
        for (int left = receive_some(socket, got, 4); left > 0; --left) shmalloc_storage_release(got[left - 1]);
        break;
      case 4:
        EXPECT(OK, shmalloc_storage_export(held[at], NULL, handle, &length, &err));
        EXPECT(OK, shmalloc_storage_import(handle, length, NULL, 0, NULL, &again, &err));
        check_it(again, __LINE__);
        shmalloc_storage_release(again);
        break;
      case 5:
        if (info_of(held[at]).kind == SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED) {
          EXPECT(OK, shmalloc_torch_refcount(held[at], 1, NULL, &err));
          EXPECT(OK, shmalloc_torch_refcount(held[at], -1, NULL, &err));
        }
        break;
      case 6:
        EXPECT(OK, shmalloc_storage_close(held[at], &err));
        shmalloc_storage_release(held[at]);
        held[at] = NULL;
        break;
      case 7:
        shmalloc_release_deferred(held[at]);
        held[at] = NULL;
        break;
      default:
        if (random_below(16) == 0) EXPECT(OK, shmalloc_machine_reclaim(NULL, own_prefix(), 0, NULL, NULL, &err));
    }
  }
}

/* Until nothing is left but what was there before. Once is enough, unless somebody else on this machine reads /proc/PID/maps of the dead
 * just then, and with that keeps what they had mapped, locks included, a little longer. */
static void reclaim_all(const char *before, int line) {
  for (int tries = 0; tries < 1000 && strcmp(before, picture(own_prefix())) != 0; ++tries) {
    EXPECT(OK, shmalloc_machine_reclaim(NULL, own_prefix(), 0, NULL, NULL, &err));
    sched_yield();
  }
  same(before, own_prefix(), __FILE__, line);
}

enum { kOwn = 3, kKept = 64 };

TEST(whoever_is_killed_the_others_keep_their_bytes) {
  seed_random();
  begin();
  char *at_first = picture(own_prefix());
  shmalloc_storage *own[kOwn] = {NULL}, *kept[kKept];
  EXPECT(OK, create(map, 5001, 0, NULL, 0, &own[0]));
  EXPECT(OK, create(map, 5002, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &own[1]));
  EXPECT(OK, create(counted, 5003, 0, NULL, 0, &own[2]));
  for (int i = 0; i < kOwn; ++i) write_it(own[i]);
  char *before = picture(own_prefix());
  int received = 0;
  for (int round = rounds(100); round > 0 || received == 0;
       --round) { /* however fast the children die, one is to get something through */
    int ends[2], count = 0;
    CHECK(socketpair(AF_UNIX, (round % 2 == 0 ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    const unsigned units = random_below(round <= 0 ? 100000 : round % 4 == 0 ? 2000 : 300);
    int ready[2];
    CHECK(pipe2(ready, O_CLOEXEC) == 0);
    const pid_t child = fork_child();
    if (child == 0) {
      close(ends[0]);
      random_state += (uint64_t)(int64_t)round;
      for (int i = 0; i < kOwn; ++i) shmalloc_storage_release(own[i]); /* the inherited ones */
      CHECK(write(ready[1], "", 1) == 1);
      live_until_killed(ends[1]);
    }
    close(ends[1]);
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    for (unsigned unit = 0; unit < units; ++unit) { /* as long as this takes, it lives */
      if (random_below(3) == 0) {
        send_some(ends[0], &own[random_below(kOwn)], 1);
      } else if (count + 4 <= kKept) {
        const int got = receive_some(ends[0], kept + count, 4);
        if (got < 0) failed(__FILE__, __LINE__, "the child ended by itself, see above");
        count += got;
      } else {
        for (; count > kKept / 2; --count) shmalloc_storage_release(kept[count - 1]);
      }
    }
    CHECK(kill(child, SIGKILL) == 0);
    const int status = wait_for(child);
    if (!WIFSIGNALED(status)) failed(__FILE__, __LINE__, "the child ended by itself, see above");
    close(ready[0]);
    close(ready[1]);
    for (int got = 0; got >= 0 && count + 4 <= kKept; count += got > 0 ? got : 0) got = receive_some(ends[0], kept + count, 4);
    close(ends[0]); /* with what is still in it */
    received += count;
    for (int i = 0; i < count; ++i) check_it(kept[i], __LINE__);
    EXPECT(OK, shmalloc_machine_reclaim(NULL, own_prefix(), 0, NULL, NULL, &err)); /* nothing that somebody holds */
    for (int i = 0; i < count; ++i) {
      check_it(kept[i], __LINE__);
      shmalloc_storage_release(kept[i]);
    }
    for (int i = 0; i < kOwn; ++i) check_it(own[i], __LINE__);
    reclaim_all(before, __LINE__); /* our own names are still there, and no others */
    int32_t counts = 0;
    EXPECT(OK, shmalloc_torch_refcount(own[2], 0, &counts, &err));
    CHECK(counts >= 1);
  }
  for (int i = 0; i < kOwn; ++i) shmalloc_storage_release(own[i]);
  reclaim_all(at_first, __LINE__); /* the dead never lowered the counts */
}

/* Two processes with memory in common, and the one that made it is killed, again and again, by its successor. */
TEST(memory_is_handed_down_from_the_killed_to_the_living) {
  seed_random();
  begin();
  char *at_first = picture(own_prefix());
  int back[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, back) == 0);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = SHMALLOC_TIME_NONE; /* each holds it until the other has it */
  shmalloc_storage *storage = make_one();
  const size_t size = shmalloc_storage_size(storage);
  for (int round = rounds(60); round > 0; --round) {
    const pid_t child = fork_child();
    if (child == 0) { /* the heir: sends it on by its own import, and goes on using it */
      shmalloc_storage *mine = NULL;
      size_t one = 1;
      EXPECT(OK, shmalloc_storage_receive(back[1], NULL, &mine, &one, &err));
      check_it(mine, __LINE__);
      EXPECT(OK, shmalloc_storage_send(back[1], &mine, 1, &params, &err));
      for (;;) {
        write_it(mine);
        shmalloc_storage_release(make_one());
      }
    }
    EXPECT(OK, shmalloc_storage_send(back[0], &storage, 1, &params, &err));
    shmalloc_storage *next = NULL;
    size_t one = 1;
    EXPECT(OK, shmalloc_storage_receive(back[0], NULL, &next, &one, &err));
    shmalloc_storage_release(storage);
    for (unsigned spin = random_below(20000); spin > 0; --spin) *(volatile unsigned *)&spin = spin;
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    storage = next;
    CHECK(shmalloc_storage_size(storage) == size);
    check_it(storage, __LINE__);
  }
  shmalloc_storage_release(storage);
  close(back[0]);
  close(back[1]);
  reclaim_all(at_first, __LINE__);
}

/* A container: its own processes only, but the machine's /dev/shm. Whoever reclaims there sees the holders by their locks, not by name. */
TEST(who_reclaims_in_another_pid_namespace_takes_nothing_that_is_held) {
  begin();
  shmalloc_storage *named = NULL, *counting = NULL;
  EXPECT(OK, create(map, 5001, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &named));
  EXPECT(OK, create(counted, 5002, 0, NULL, 0, &counting));
  write_it(named);
  write_it(counting);
  char *before = picture(own_prefix());
  const pid_t child = fork_child();
  if (child == 0) {
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) _exit(kSkipped);
    const pid_t first = fork();
    CHECK(first >= 0);
    if (first == 0) { /* process 1 of a namespace of its own */
      if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0) _exit(kSkipped);
      CHECK(getpid() == 1 && access("/proc/1/maps", R_OK) == 0);
      shmalloc_storage_release(named); /* what was inherited would hold them, here */
      shmalloc_storage_release(counting);
      uint64_t objects = 1;
      EXPECT(OK, shmalloc_machine_reclaim(NULL, own_prefix(), 0, &objects, NULL, &err));
      CHECK(objects == 0);
      _exit(0);
    }
    _exit(WEXITSTATUS(wait_for(first)));
  }
  const int status = wait_for(child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) SKIP("no pid namespace of its own: run it as root");
  CHECK(status == 0);
  SAME(before, own_prefix());
  check_it(named, __LINE__);
  check_it(counting, __LINE__);
}

RUN(cmocka_unit_test(whoever_is_killed_the_others_keep_their_bytes),
    cmocka_unit_test(memory_is_handed_down_from_the_killed_to_the_living),
    cmocka_unit_test(who_reclaims_in_another_pid_namespace_takes_nothing_that_is_held))
