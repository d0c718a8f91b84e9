/* What the tests of kind SHARED have in common: peers that are no children of the owner's library, patterns, what a segment takes. */
#ifndef SHMALLOC_TESTS_C_SHARED_H
#define SHMALLOC_TESTS_C_SHARED_H

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "handles.h"
#include "support.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define ASAN 1
#else
#define ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define TSAN 1
#else
#define TSAN 0
#endif

static inline shmalloc_allocator *make_shared(const char *config) {
  return make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, config != NULL ? config : "segment_size:67108864,export_ttl_ms:0");
}

static inline void fill(shmalloc_storage *storage, unsigned seed) {
  unsigned char *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0, size = shmalloc_storage_size(storage); i < size; ++i) bytes[i] = (unsigned char)(i * 31 + (i >> 8) + seed);
}
static inline int intact(shmalloc_storage *storage, unsigned seed) {
  const unsigned char *bytes = shmalloc_storage_data(storage);
  for (size_t i = 0, size = shmalloc_storage_size(storage); i < size; ++i) {
    if (bytes[i] != (unsigned char)(i * 31 + (i >> 8) + seed)) return 0;
  }
  return 1;
}

static inline shmalloc_storage *make_filled(shmalloc_allocator *allocator, size_t size, unsigned seed) {
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(allocator, size, 0, NULL, &storage, err));
  fill(storage, seed);
  return storage;
}

static inline shmalloc_allocator_info allocator_info(shmalloc_allocator *allocator) {
  shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
  OK(shmalloc_allocator_get_info(allocator, &info, err));
  return info;
}
static inline void trim(shmalloc_allocator *allocator) { OK(shmalloc_allocator_trim(allocator, 0, 0, NULL, err)); }

/* Descriptors of segments that this process has, and what their memory takes: the data alone, without the controls. */
struct segments {
  int count;
  uint64_t bytes;
};
static inline struct segments segments(void) {
  struct segments found = {0, 0};
  DIR *directory = opendir("/proc/self/fd");
  for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    char path[300], link[300] = "";
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, link, sizeof link - 1) < 0 || strstr(link, "shmalloc_control") != NULL || stat(path, &status) != 0) continue;
    /* A memfd with its name, or a file that never had one on a tmpfs that no path leads to: "/#3 (deleted)". */
    if (strstr(link, "/memfd:shmalloc_segment") == NULL && strncmp(link, "/#", 2) != 0) continue;
    ++found.count;
    found.bytes += (uint64_t)status.st_blocks * 512;
  }
  if (directory != NULL) closedir(directory);
  return found;
}

/* ---- a process beside the owner, forked before the owner has anything ---- */

struct peer {
  pid_t pid;
  int socket;
};
enum { kMostPeers = 128 };
static int peer_sockets_[kMostPeers]; /* one more than their numbers: other peers must not keep them open */

static inline struct peer begin_peer(void (*body)(int socket)) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  fflush(NULL);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    for (int i = 0; i < kMostPeers; ++i) {
      if (peer_sockets_[i] != 0) close(peer_sockets_[i] - 1);
    }
    alarm(TSAN || ASAN ? 300 : 100);
    static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof caught / sizeof *caught; ++i) signal(caught[i], SIG_DFL);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  for (int i = 0; i < kMostPeers; ++i) {
    if (peer_sockets_[i] != 0) continue;
    peer_sockets_[i] = ends[0] + 1;
    break;
  }
  return (struct peer){pid, ends[0]};
}
static inline void tell(int socket, const void *what, size_t size) {
  if (send(socket, what, size, MSG_NOSIGNAL) != (ssize_t)size) {
    perror("tell");
    _exit(1);
  }
}
/* 0 when the other end is gone. */
static inline int hear(int socket, void *what, size_t size) {
  ssize_t got;
  do {
    got = recv(socket, what, size, 0);
  } while (got < 0 && errno == EINTR);
  return got == (ssize_t)size;
}
static inline void signal_peer(int socket) { tell(socket, "!", 1); }
static inline void await_peer(int socket) {
  char byte;
  if (!hear(socket, &byte, 1)) {
    fprintf(stderr, "the other process is gone\n");
    _exit(1);
  }
}
static inline int end_of(struct peer peer) {
  int status = 0;
  for (int i = 0; i < kMostPeers; ++i) {
    if (peer_sockets_[i] == peer.socket + 1) peer_sockets_[i] = 0;
  }
  close(peer.socket);
  while (waitpid(peer.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
static inline void end_peer(struct peer peer) {
  const int status = end_of(peer);
  if (status != 0) fail_msg("a peer ended with %#x", (unsigned)status);
}
static inline void kill_peer(struct peer peer) {
  kill(peer.pid, SIGKILL);
  (void)end_of(peer);
}

/* In a peer, where cmocka can't report. */
#define PEER_OK(...)                                                                                         \
  do {                                                                                                       \
    shmalloc_error error_;                                                                                   \
    memset(&error_, 0, sizeof error_);                                                                       \
    shmalloc_error *err = &error_;                                                                           \
    const int status_ = (__VA_ARGS__);                                                                       \
    (void)err;                                                                                               \
    if (status_ != 0) {                                                                                      \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, shmalloc_status_name(status_), error_.message); \
      _exit(1);                                                                                              \
    }                                                                                                        \
  } while (0)

static inline shmalloc_storage *import_in_peer(const struct handle *handle) {
  shmalloc_storage *storage = NULL;
  PEER_OK(import_of(handle, 0, &storage, err));
  return storage;
}

/* A peer that imports what it is told, answers, and holds it until it is told to let go ('r'), to end ('e') or is killed. */
static inline void holder(int socket) {
  struct handle handle;
  shmalloc_storage *held[64] = {NULL};
  int count = 0;
  char word;
  for (;;) {
    const ssize_t got = recv(socket, &handle, sizeof handle, 0);
    if (got <= 0) return;
    if (got == (ssize_t)sizeof handle) {
      held[count++] = import_in_peer(&handle);
    } else {
      memcpy(&word, &handle, 1);
      if (word == 'e') return;
      while (count > 0) shmalloc_storage_release(held[--count]);
    }
    signal_peer(socket);
  }
}
static inline void let_hold(struct peer peer, const struct handle *handle) {
  tell(peer.socket, handle, sizeof *handle);
  await_peer(peer.socket);
}
static inline void let_release(struct peer peer) {
  tell(peer.socket, "r", 1);
  await_peer(peer.socket);
}

static inline int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What the allocator keeps is gone: nothing is live, and its segments are given up. */
static inline void assert_empty(shmalloc_allocator *allocator) {
  for (int tries = 0; tries < 200; ++tries) { /* a dead process's memory goes a little after it, when others look into /proc */
    trim(allocator);
    if (segments().count == 0) break;
    usleep(5000);
  }
  assert_int_equal(allocator_info(allocator).live_storages, 0);
  assert_int_equal(segments().count, 0);
}

#endif
