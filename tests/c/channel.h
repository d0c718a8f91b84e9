/* What the tests of channels between processes have in common. */
#ifndef SHMALLOC_TESTS_CHANNEL_H
#define SHMALLOC_TESTS_CHANNEL_H
/* Channels between processes: many at once, and those that die in the middle. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "support.h"

#define NOW SHMALLOC_TIME_NONE
#define EVER SHMALLOC_TIME_FOREVER

static inline shmalloc_allocator *make_pool(void) { return make_allocator(SHMALLOC_ALLOCATOR_KIND_SHARED, "export_ttl_ms:0"); }

static inline shmalloc_channel *make_channel(uint64_t capacity) {
  shmalloc_channel_params params = SHMALLOC_INIT(shmalloc_channel_params);
  shmalloc_channel *channel = NULL;
  params.capacity = capacity;
  OK(shmalloc_channel_create(&params, &channel, err));
  return channel;
}

/* Calls that must be OK in a child, too. */
static inline void must(int line, shmalloc_status status, const shmalloc_error *error) {
  if (status == SHMALLOC_STATUS_OK) return;
  fprintf(stderr, "line %d: %s: %s\n", line, shmalloc_status_name(status), error->message);
  _exit(1);
}
#define MUST(...)                     \
  do {                                \
    shmalloc_error error_;            \
    shmalloc_error *err = &error_;    \
    must(__LINE__, __VA_ARGS__, err); \
  } while (0)

/* What a parcel says, in its record and in its bytes. */
struct note {
  uint32_t producer;
  uint32_t number;
  uint64_t check;
};

/* Whether who sends waits for somebody to receive. */
static int patient;

static inline void send_note(shmalloc_channel *channel, shmalloc_allocator *pool, uint32_t producer, uint32_t number) {
  const struct note note = {producer, number, number * 0x9e3779b97f4a7c15U + producer};
  shmalloc_storage *storage = NULL;
  MUST(shmalloc_storage_create(pool, 4096 + number % 7 * 1000, SHMALLOC_STREAM_DEFAULT, NULL, &storage, err));
  memcpy(shmalloc_storage_data(storage), &note, sizeof note);
  memcpy((char *)shmalloc_storage_data(storage) + shmalloc_storage_size(storage) - 8, &note.check, 8);
  shmalloc_error error;
  shmalloc_status status;
  do { /* The one receiver may be dead already, and the other one still to come. */
    status = shmalloc_channel_send(channel, storage, (const uint8_t *)&note, sizeof note, EVER, &error);
  } while (status == SHMALLOC_STATUS_PEER_GONE && patient);
  must(__LINE__, status, &error);
  shmalloc_storage_release(storage);
}

/* 1: one came, 0: none will. */
static inline int receive_note(shmalloc_channel *channel, struct note *note, shmalloc_status *end) {
  shmalloc_storage *storage = NULL;
  size_t length = sizeof *note;
  shmalloc_error error;
  const shmalloc_status status = shmalloc_channel_receive(channel, &storage, (uint8_t *)note, &length, EVER, &error);
  if (status == SHMALLOC_STATUS_PEER_GONE || status == SHMALLOC_STATUS_CLOSED) {
    *end = status;
    return 0;
  }
  must(__LINE__, status, &error);
  CHILD_CHECK(length == sizeof *note && storage != NULL);
  CHILD_CHECK(note->check == note->number * 0x9e3779b97f4a7c15U + note->producer);
  CHILD_CHECK(memcmp(shmalloc_storage_data(storage), note, sizeof *note) == 0);
  uint64_t last;
  memcpy(&last, (char *)shmalloc_storage_data(storage) + shmalloc_storage_size(storage) - 8, 8);
  CHILD_CHECK(last == note->check);
  shmalloc_storage_release(storage);
  return 1;
}

/* A process that has nothing of ours but a socket: forked before the library was used, as it were. Both get the channel's storage. */
static int helper = -1;
static pid_t helper_pid;

static inline void start_helper(void (*body)(int socket)) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  helper_pid = fork();
  assert_true(helper_pid >= 0);
  if (helper_pid == 0) {
    close(ends[0]);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  helper = ends[0];
}
static inline void end_helper(void) {
  int status = 0;
  close(helper);
  assert_int_equal(waitpid(helper_pid, &status, 0), helper_pid);
  assert_int_equal(status, 0);
}
static inline void send_home(shmalloc_channel *channel) {
  shmalloc_storage *home = NULL;
  OK(shmalloc_channel_storage(channel, &home, err));
  OK(shmalloc_storage_send(helper, &home, 1, NULL, err));
  shmalloc_storage_release(home);
}
static inline shmalloc_channel *receive_home(int socket) {
  shmalloc_storage *home = NULL;
  shmalloc_channel *channel = NULL;
  size_t count = 1;
  MUST(shmalloc_storage_receive(socket, NULL, &home, &count, err));
  MUST(shmalloc_channel_open(home, &channel, err));
  shmalloc_storage_release(home);
  return channel;
}

static inline void echo(int socket) {
  shmalloc_channel *in = receive_home(socket), *out = receive_home(socket);
  for (;;) {
    shmalloc_storage *storage = NULL;
    uint8_t record[32];
    size_t length = sizeof record;
    shmalloc_error error;
    const shmalloc_status status = shmalloc_channel_receive(in, &storage, record, &length, EVER, &error);
    if (status == SHMALLOC_STATUS_CLOSED) break;
    must(__LINE__, status, &error);
    ++*(uint32_t *)shmalloc_storage_data(storage);
    MUST(shmalloc_channel_send(out, storage, record, length, EVER, err));
    shmalloc_storage_release(storage);
  }
  shmalloc_channel_release(in);
  shmalloc_channel_release(out);
}

#endif
