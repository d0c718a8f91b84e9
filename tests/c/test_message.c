/* Storages over unix sockets: many in one message, hostile ones, peers that stop or die. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "support.h"

static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

struct sockets {
  int one;
  int other;
};
static struct sockets connected(int type) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
  return (struct sockets){ends[0], ends[1]};
}
static void hang_up(struct sockets sockets) {
  close(sockets.one);
  close(sockets.other);
}

/* Of the default allocator, which needs two descriptors for all of them, and of kind MAP, which needs one for each. */
static void carry_up_to_253(shmalloc_allocator *from) {
  static const size_t counts[] = {1, 2, 16, SHMALLOC_MESSAGE_MAX};
  for (size_t t = 0; t < 2; ++t) {
    const struct sockets sockets = connected(types[t]);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; ++c) {
      const size_t count = counts[c];
      shmalloc_storage *sent[SHMALLOC_MESSAGE_MAX];
      shmalloc_storage *received[SHMALLOC_MESSAGE_MAX] = {NULL};
      for (size_t i = 0; i < count; ++i) {
        OK(shmalloc_storage_create(from, 100 + i, 0, NULL, &sent[i], err));
        memset(shmalloc_storage_data(sent[i]), (int)i, 100 + i);
      }
      OK(shmalloc_storage_send(sockets.one, sent, count, NULL, err));
      for (size_t i = 0; i < count; ++i)
        shmalloc_storage_release(sent[i]); /* the socket holds them now, or the export does for a while */
      size_t room = count - 1;
      if (room > 0) {
        FAILS(NO_SPACE, "room for", shmalloc_storage_receive(sockets.other, NULL, received, &room, err));
        assert_int_equal(room, count); /* nothing was taken, the number is set */
      }
      room = SHMALLOC_MESSAGE_MAX;
      OK(shmalloc_storage_receive(sockets.other, NULL, received, &room, err));
      assert_int_equal(room, count);
      for (size_t i = 0; i < count; ++i) {
        const unsigned char *data = shmalloc_storage_data(received[i]);
        assert_int_equal(shmalloc_storage_size(received[i]), 100 + i);
        for (size_t k = 0; k < 100 + i; ++k) assert_int_equal(data[k], i & 255);
        shmalloc_storage_release(received[i]);
      }
    }
    hang_up(sockets);
  }
}

static void one_message_carries_up_to_253(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  carry_up_to_253(map);
  shmalloc_allocator_release(map);
  SAME(before);
  carry_up_to_253(NULL);
  const struct held one = look();
  carry_up_to_253(NULL);
  SAME(one); /* one segment carried them all */
}

/* With a time to live of nothing a released storage of a segment is gone, though the socket holds the segment. */
static void a_segment_on_the_way_keeps_no_storage(void **state) {
  (void)state;
  const struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  params.ttl_ns = SHMALLOC_TIME_NONE;
  OK(shmalloc_storage_create(NULL, 100, 0, NULL, &storage, err));
  OK(shmalloc_storage_send(sockets.one, &storage, 1, &params, err));
  shmalloc_storage_release(storage);
  FAILS(STALE, "released", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  assert_null(received);
  hang_up(sockets);
}

static void messages_keep_their_order_and_kinds(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_allocator *counted = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, NULL);
  for (size_t t = 0; t < 2; ++t) {
    const struct sockets sockets = connected(types[t]);
    shmalloc_storage *sent[6];
    shmalloc_storage *received[6];
    OK(shmalloc_storage_create(map, 10, 0, NULL, &sent[0], err));
    OK(map_named(map, 20, SHMALLOC_MAPPED_SHAREDMEM, NULL, &sent[1], err));
    OK(shmalloc_storage_create(counted, 30, 0, NULL, &sent[2], err));
    OK(shmalloc_storage_create(map, 0, 0, NULL, &sent[3], err));
    sent[4] = sent[0]; /* twice in one message: one descriptor */
    sent[5] = sent[1];
    for (int i = 0; i < 3; ++i) ((char *)shmalloc_storage_data(sent[i]))[0] = (char)('a' + i);
    shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
    params.ttl_ns = SHMALLOC_TIME_NONE; /* a counted object is joined by its name, which would be kept for a while */
    OK(shmalloc_storage_send(sockets.one, sent, 6, &params, err));
    OK(shmalloc_storage_send(sockets.one, sent + 1, 1, NULL, err));
    size_t room = 6;
    OK(shmalloc_storage_receive(sockets.other, NULL, received, &room, err));
    assert_int_equal(room, 6);
    static const char expected[6] = {'a', 'b', 'c', 0, 'a', 'b'};
    for (int i = 0; i < 6; ++i) {
      if (expected[i] != 0) assert_int_equal(((char *)shmalloc_storage_data(received[i]))[0], expected[i]);
      assert_int_equal(shmalloc_storage_size(received[i]), shmalloc_storage_size(sent[i]));
    }
    assert_int_equal(info_of(received[2]).kind, SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
    for (int i = 0; i < 6; ++i) shmalloc_storage_release(received[i]);
    room = 1;
    OK(shmalloc_storage_receive(sockets.other, NULL, received, &room, err));
    assert_int_equal(((char *)shmalloc_storage_data(received[0]))[0], 'b');
    shmalloc_storage_release(received[0]);
    for (int i = 0; i < 4; ++i) shmalloc_storage_release(sent[i]);
    hang_up(sockets);
  }
  shmalloc_allocator_release(map);
  shmalloc_allocator_release(counted);
  SAME(before);
}

static void a_counted_object_outlives_its_sender_on_the_way(void **state) {
  (void)state;
  const struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_allocator *counted = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, "export_ttl_ms:1000000");
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  OK(shmalloc_storage_create(counted, 30, 0, NULL, &storage, err));
  strcpy(shmalloc_storage_data(storage), "still there");
  OK(shmalloc_storage_send(sockets.one, &storage, 1, NULL, err));
  shmalloc_storage_release(storage);
  OK(shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  assert_string_equal(shmalloc_storage_data(received), "still there");
  shmalloc_storage_release(received);
  shmalloc_allocator_release(counted);
  hang_up(sockets);
}

static void read_only_holds_over_sockets(void **state) {
  (void)state;
  const struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  params.flags = SHMALLOC_EXPORT_READ_ONLY;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  FAILS(UNSUPPORTED, "ISOLATED", shmalloc_storage_send(sockets.one, &storage, 1, &params, err));
  shmalloc_storage_release(storage);
  shmalloc_storage_params isolated = SHMALLOC_INIT(shmalloc_storage_params);
  isolated.flags = SHMALLOC_STORAGE_ISOLATED;
  OK(shmalloc_storage_create(NULL, 4096, 0, &isolated, &storage, err));
  OK(shmalloc_storage_send(sockets.one, &storage, 1, &params, err));
  OK(shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  FAILS(PERMISSION, "read-only", shmalloc_storage_pin(received, SHMALLOC_ACCESS_WRITE, NULL, NULL, err));
  assert_int_equal(mprotect(shmalloc_storage_data(received), 4096, PROT_READ | PROT_WRITE), -1);
  assert_int_equal(fcntl(info_of(received).fd, F_GETFL) & O_ACCMODE, O_RDONLY);
  shmalloc_storage_release(received);
  shmalloc_storage_release(storage);
  hang_up(sockets);
}

static void arguments_are_checked(void **state) {
  (void)state;
  struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  shmalloc_storage *holes[2] = {storage, NULL};
  FAILS(INVALID, "count is 0", shmalloc_storage_send(sockets.one, &storage, 0, NULL, err));
  FAILS(INVALID, "count is 254", shmalloc_storage_send(sockets.one, &storage, 254, NULL, err));
  FAILS(INVALID, "storages", shmalloc_storage_send(sockets.one, NULL, 1, NULL, err));
  FAILS(INVALID, "storages[1]", shmalloc_storage_send(sockets.one, holes, 2, NULL, err));
  FAILS(INVALID, "no socket", shmalloc_storage_send(-1, &storage, 1, NULL, err));
  const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
  FAILS(INVALID, "no socket", shmalloc_storage_send(file, &storage, 1, NULL, err));
  close(file);
  const int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  FAILS(INVALID, "stream or seqpacket", shmalloc_storage_receive(datagram, NULL, &received, &room, err));
  close(datagram);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  FAILS(INVALID, "NATIVE", shmalloc_storage_send(sockets.one, &storage, 1, &params, err));
  FAILS(INVALID, "inout_count", shmalloc_storage_receive(sockets.other, NULL, &received, NULL, err));
  FAILS(INVALID, "out_storages", shmalloc_storage_receive(sockets.other, NULL, NULL, &room, err));
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  from.timeout_ns = -7;
  FAILS(INVALID, "timeout_ns", shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
  from.timeout_ns = SHMALLOC_TIME_NONE;
  FAILS(TIMEOUT, "no message", shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
  from.timeout_ns = 1000000;
  FAILS(TIMEOUT, "no message", shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
  fcntl(sockets.other, F_SETFL, O_NONBLOCK);
  FAILS(TIMEOUT, "no message", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  from.timeout_ns = 0;
  from.flags = SHMALLOC_IMPORT_SAME_USER;
  OK(shmalloc_storage_send(sockets.one, &storage, 1, NULL, err));
  OK(shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
  shmalloc_storage_release(received);
  close(sockets.one);
  FAILS(PEER_GONE, "closed", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  FAILS(PEER_GONE, "sending", shmalloc_storage_send(sockets.other, &storage, 1, NULL, err)); /* and no SIGPIPE */
  close(sockets.other);
  shmalloc_storage_release(storage);
}

static void another_user_is_refused_when_asked(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  /* The credentials of a socketpair are those of its maker. */
  assert_int_equal(seteuid(65534), 0);
  const struct sockets sockets = connected(SOCK_STREAM);
  assert_int_equal(seteuid(0), 0);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  OK(shmalloc_storage_create(NULL, 4096, 0, NULL, &storage, err));
  OK(shmalloc_storage_send(sockets.one, &storage, 1, NULL, err));
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  from.flags = SHMALLOC_IMPORT_SAME_USER;
  FAILS(PERMISSION, "user 65534", shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
  assert_null(received);
  shmalloc_storage_release(storage);
  hang_up(sockets);
}

/* A message that was sent whole, to be damaged and sent again. */
struct raw {
  uint8_t bytes[4096];
  size_t length;
  int fds[2];
  int count; /* of fds */
};
static struct raw record(uint32_t flags) {
  const struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  shmalloc_storage *storage = NULL;
  struct raw raw = {.fds = {-1, -1}};
  char control[CMSG_SPACE(sizeof(int) * 2)];
  params.flags = flags;
  struct iovec part = {raw.bytes, sizeof raw.bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  OK(shmalloc_storage_create(NULL, 4096, 0, &params, &storage, err));
  OK(shmalloc_storage_send(sockets.one, &storage, 1, NULL, err));
  const ssize_t got = recvmsg(sockets.other, &message, MSG_CMSG_CLOEXEC);
  assert_true(got > 32);
  raw.length = (size_t)got;
  raw.count = (int)((CMSG_FIRSTHDR(&message)->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(raw.fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int) * (size_t)raw.count);
  shmalloc_storage_release(storage);
  hang_up(sockets);
  return raw;
}
static void send_raw(int socket, const struct raw *raw, int descriptors) {
  char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
  struct iovec part = {(void *)(uintptr_t)raw->bytes, raw->length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptors > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)descriptors);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)descriptors);
    for (int i = 0; i < descriptors; ++i)
      memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &raw->fds[i % raw->count], sizeof(int));
  }
  assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), (ssize_t)raw->length);
}

static void forget(const struct raw *raw) {
  for (int i = 0; i < raw->count; ++i) close(raw->fds[i]);
}

static void try_hostile_messages(uint32_t flags) {
  const struct raw good = record(flags);
  /* What has a segment attached keeps it: here the maker himself. */
  const struct held before = look();
  for (size_t t = 0; t < 2; ++t) {
    for (size_t i = 0; i <= good.length + 8; ++i) {
      struct sockets sockets = connected(types[t]);
      struct raw bad = good;
      int descriptors = good.count;
      int tolerated = 0;
      if (i < good.length) {
        bad.bytes[i] ^= 0x41;
        tolerated = (i == 6 || i == 7) || (i >= 24 && i < 32); /* minor version, reserved bytes */
      } else if (i == good.length) {
        --descriptors;
      } else if (i == good.length + 1) {
        ++descriptors;
      } else {
        bad.length = i - good.length - 1; /* a few bytes, and the end */
      }
      send_raw(sockets.one, &bad, descriptors);
      shutdown(sockets.one, SHUT_WR);
      shmalloc_storage *received[4] = {NULL};
      size_t room = 4;
      shmalloc_error error;
      const shmalloc_status status = shmalloc_storage_receive(sockets.other, NULL, received, &room, &error);
      if (tolerated) {
        assert_int_equal(status, SHMALLOC_STATUS_OK);
        shmalloc_storage_release(received[0]);
      } else {
        if (status != SHMALLOC_STATUS_CORRUPT && status != SHMALLOC_STATUS_VERSION && status != SHMALLOC_STATUS_PEER_GONE &&
            status != SHMALLOC_STATUS_NO_SPACE) {
          fail_msg("byte %zu: %s: %s", i, shmalloc_status_name(status), error.message);
        }
        assert_null(received[0]);
      }
      hang_up(sockets);
    }
  }
  SAME(before);
  forget(&good);
}

static void hostile_messages_leave_nothing(void **state) {
  (void)state;
  try_hostile_messages(SHMALLOC_STORAGE_ISOLATED);
  try_hostile_messages(0);
}

/* A handle without a descriptor names what the receiver would open with his own rights: a message may not. */
static void messages_open_nothing_by_name(void **state) {
  (void)state;
  const struct raw good = record(SHMALLOC_STORAGE_ISOLATED);
  struct sockets sockets = connected(SOCK_STREAM);
  struct raw bad = good;
  bad.bytes[12] = 0; /* no descriptors */
  bad.bytes[34] = 0; /* nor one for the record */
  uint32_t crc = ~0U;
  for (size_t i = 32; i < bad.length; ++i) {
    crc ^= bad.bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
  }
  crc = ~crc;
  for (int i = 0; i < 4; ++i) bad.bytes[20 + i] = (uint8_t)(crc >> 8 * i);
  send_raw(sockets.one, &bad, 0);
  shmalloc_storage *received = NULL;
  size_t room = 1;
  FAILS(PERMISSION, "right", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  assert_null(received);
  hang_up(sockets);
  forget(&good);
}

static void a_bad_datagram_does_not_block_those_behind_it(void **state) {
  (void)state;
  struct sockets sockets = connected(SOCK_SEQPACKET);
  shmalloc_storage *storage = NULL;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  OK(shmalloc_storage_create(NULL, 10, 0, NULL, &storage, err));
  assert_int_equal(send(sockets.one, "nonsense", 8, 0), 8);
  assert_int_equal(send(sockets.one, "", 0, 0), 0);
  OK(shmalloc_storage_send(sockets.one, &storage, 1, NULL, err));
  FAILS(CORRUPT, "begin", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  FAILS(CORRUPT, "begin", shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  OK(shmalloc_storage_receive(sockets.other, NULL, &received, &room, err));
  shmalloc_storage_release(received);
  shmalloc_storage_release(storage);
  hang_up(sockets);
}

static void descriptor_table_full_at_receive_loses_nothing_of_ours(void **state) {
  (void)state;
  const struct held before = look();
  const struct sockets sockets = connected(SOCK_STREAM);
  shmalloc_allocator *map = make_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, NULL);
  shmalloc_storage *sent[8];
  shmalloc_storage *received[8] = {NULL};
  for (int i = 0; i < 8; ++i) OK(shmalloc_storage_create(map, 100, 0, NULL, &sent[i], err));
  OK(shmalloc_storage_send(sockets.one, sent, 8, NULL, err));
  for (int i = 0; i < 8; ++i) shmalloc_storage_release(sent[i]);
  struct rlimit old;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
  const int next = dup(sockets.one);
  close(next);
  const struct rlimit tight = {(rlim_t)next + 3, old.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
  size_t room = 8;
  shmalloc_error error;
  const shmalloc_status status = shmalloc_storage_receive(sockets.other, NULL, received, &room, &error);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
  assert_int_equal(status, SHMALLOC_STATUS_NO_SPACE);
  assert_non_null(strstr(error.message, "ulimit -n"));
  shmalloc_allocator_release(map);
  hang_up(sockets);
  SAME(before);
}

static void on_alarm(int signal) { (void)signal; }

static void a_signal_interrupts_waiting_and_nothing_else(void **state) {
  (void)state;
  const struct sockets sockets = connected(SOCK_STREAM);
  struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
  struct sigaction old;
  shmalloc_storage *received = NULL;
  size_t room = 1;
  assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
  shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
  for (int i = 0; i < 2; ++i) {
    from.timeout_ns = i == 0 ? SHMALLOC_TIME_FOREVER : SHMALLOC_TIME_DEFAULT;
    const struct itimerval timer = {{0, 20000}, {0, 20000}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    FAILS(INTERRUPTED, "", shmalloc_storage_receive(sockets.other, &from, &received, &room, err));
    const struct itimerval off = {{0, 0}, {0, 0}};
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
  }
  sigaction(SIGALRM, &old, NULL);
  hang_up(sockets);
}

static void receiver_that_dies_in_the_middle_takes_nothing_along(void **state) {
  (void)state;
  const struct held before = look();
  shmalloc_storage *storage = NULL;
  OK(shmalloc_storage_create(NULL, 1 << 16, 0, NULL, &storage, err));
  memset(shmalloc_storage_data(storage), 'k', 1 << 16);
  for (int round = 0; round < 20; ++round) {
    const struct sockets sockets = connected(SOCK_STREAM);
    const pid_t child = fork();
    if (child == 0) {
      shmalloc_storage *mine = NULL;
      size_t room = 1;
      close(sockets.one);
      if (round % 2 == 0) kill(getpid(), SIGKILL); /* before it takes the message */
      if (shmalloc_storage_receive(sockets.other, NULL, &mine, &room, NULL) != SHMALLOC_STATUS_OK) _exit(1);
      ((char *)shmalloc_storage_data(mine))[0] = 'k';
      kill(getpid(), SIGKILL); /* while it holds the storage */
    }
    close(sockets.other);
    /* OK, or the other end is gone already. */
    const shmalloc_status status = shmalloc_storage_send(sockets.one, &storage, 1, NULL, NULL);
    assert_true(status == SHMALLOC_STATUS_OK || status == SHMALLOC_STATUS_PEER_GONE);
    int result = 0;
    waitpid(child, &result, 0);
    assert_true(WIFSIGNALED(result));
    close(sockets.one);
    assert_int_equal(((char *)shmalloc_storage_data(storage))[0], 'k');
  }
  shmalloc_storage_release(storage);
  SAME(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_message_carries_up_to_253),
      cmocka_unit_test(a_segment_on_the_way_keeps_no_storage),
      cmocka_unit_test(messages_keep_their_order_and_kinds),
      cmocka_unit_test(a_counted_object_outlives_its_sender_on_the_way),
      cmocka_unit_test(read_only_holds_over_sockets),
      cmocka_unit_test(arguments_are_checked),
      cmocka_unit_test(another_user_is_refused_when_asked),
      cmocka_unit_test(hostile_messages_leave_nothing),
      cmocka_unit_test(messages_open_nothing_by_name),
      cmocka_unit_test(a_bad_datagram_does_not_block_those_behind_it),
      cmocka_unit_test(descriptor_table_full_at_receive_loses_nothing_of_ours),
      cmocka_unit_test(a_signal_interrupts_waiting_and_nothing_else),
      cmocka_unit_test(receiver_that_dies_in_the_middle_takes_nothing_along),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
