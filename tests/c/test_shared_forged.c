/* Forged handles of kind SHARED, and messages that name what their sender has no right to. */
#include "shared.h"

static uint32_t crc32c(const uint8_t *bytes, size_t length) {
  uint32_t crc = ~0U;
  for (size_t i = 0; i < length; ++i) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (0x82f63b78U & (0U - (crc & 1)));
  }
  return ~crc;
}
static struct handle forged(const struct handle *good, size_t at, int bytes, uint64_t by) {
  struct handle handle = *good;
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= (uint64_t)handle.bytes[at + (size_t)i] << (8 * i);
  value += by;
  for (int i = 0; i < bytes; ++i) handle.bytes[at + (size_t)i] = (uint8_t)(value >> (8 * i));
  const uint32_t crc = crc32c(handle.bytes + 12, handle.length - 12);
  for (int i = 0; i < 4; ++i) handle.bytes[8 + i] = (uint8_t)(crc >> (8 * i));
  return handle;
}

/* Where what stands: src/cpp/base/wire/handle.hpp. */
enum { kSize = 24, kCapacity = 32, kOffset = 40, kInode = 64, kPart = 104, kSlot = kPart + 16, kGeneration = kPart + 20 };

static void try_forged(int socket) {
  struct handle good;
  CHILD_CHECK(hear(socket, &good, sizeof good));
  for (int attached = 0; attached < 2; ++attached) {
    static const struct {
      size_t at;
      int bytes;
      uint64_t by;
    } changes[] = {{kOffset, 8, 64},
                   {kOffset, 8, (uint64_t)1 << 40},
                   {kOffset, 8, (uint64_t)1 << 61},
                   {kSize, 8, (uint64_t)-1},
                   {kSlot, 4, 1},
                   {kSlot, 4, 1000},
                   {kSlot, 4, 1U << 31},
                   {kGeneration, 4, 1},
                   {kGeneration, 4, (uint64_t)-1},
                   {kPart, 8, 1},
                   {kPart + 8, 8, (uint64_t)-5},
                   {kInode, 8, 1}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; ++i) {
      const struct handle bad = forged(&good, changes[i].at, changes[i].bytes, changes[i].by);
      shmalloc_storage *storage = NULL;
      shmalloc_error error = {0};
      const int status = import_of(&bad, 0, &storage, &error);
      if (status != SHMALLOC_STATUS_CORRUPT && status != SHMALLOC_STATUS_STALE) {
        fprintf(stderr, "forged %zu at %zu: %s: %s\n", i, changes[i].at, shmalloc_status_name(status), error.message);
        _exit(1);
      }
    }
    struct handle large = forged(&good, kSize, 8, 64);
    large = forged(&large, kCapacity, 8, 64);
    shmalloc_storage *storage = NULL;
    FAILS(CORRUPT, "other bytes", import_of(&large, 0, &storage, err));
    storage = import_in_peer(&good);
    CHILD_CHECK(intact(storage, 9));
    if (attached == 1) shmalloc_storage_release(storage);
  }
  signal_peer(socket);
  await_peer(socket);
}

static void forged_handles_open_nothing(void **state) {
  (void)state;
  struct peer peer = begin_peer(try_forged);
  shmalloc_allocator *allocator = make_shared(NULL);
  shmalloc_storage *storage = make_filled(allocator, 5000, 9), *none = NULL;
  const struct handle handle = export_of(storage, 0, SHMALLOC_TIME_NONE);
  tell(peer.socket, &handle, sizeof handle);
  await_peer(peer.socket);
  shmalloc_storage_release(storage);
  signal_peer(peer.socket);
  end_peer(peer);
  trim(allocator);
  assert_int_equal(allocator_info(allocator).live_storages, 0);
  /* What the slot would say for its next storage, while there is none. */
  shmalloc_storage *other = make_filled(allocator, 100, 1);
  storage = make_filled(allocator, 5000, 9);
  const struct handle first = export_of(storage, 0, SHMALLOC_TIME_NONE);
  shmalloc_storage_release(storage);
  const struct handle next = forged(&first, kGeneration, 4, 1);
  FAILS(CORRUPT, "", import_of(&next, 0, &none, err));
  shmalloc_storage_release(other);
  assert_empty(allocator);
  shmalloc_allocator_release(allocator);
}

/* A message shows its sender's right to one segment and names a storage in another. */
static void a_message_opens_nothing_that_its_sender_has_not(void **state) {
  (void)state;
  int ends[2];
  shmalloc_allocator *mine = make_shared(NULL), *yours = make_shared(NULL);
  shmalloc_storage *secret = make_filled(mine, 5000, 1), *shown = make_filled(yours, 5000, 2), *got = NULL;
  const struct handle of_secret = export_of(secret, 0, SHMALLOC_TIME_NONE), of_shown = export_of(shown, 0, SHMALLOC_TIME_NONE);
  struct handle mixed = of_secret; /* the secret's place, under the identity of the object that is shown */
  memcpy(mixed.bytes + 56, of_shown.bytes + 56, 24);
  mixed = forged(&mixed, kSlot, 4, 0);
  FAILS(CORRUPT, "", import_of(&mixed, 0, &got, err));
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  OK(shmalloc_storage_send(ends[0], &shown, 1, NULL, err));
  /* The message again, with the other handle in it: the head, the record's length and index, the handle. */
  uint8_t message[2048];
  char control[256];
  struct iovec part = {message, sizeof message};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const ssize_t length = recvmsg(ends[1], &header, MSG_CMSG_CLOEXEC);
  assert_true(length > (ssize_t)mixed.length);
  const size_t head = (size_t)length - mixed.length - 4;
  memcpy(message + head + 4, mixed.bytes, mixed.length);
  const uint32_t crc = crc32c(message + head, (size_t)length - head);
  size_t at = 0; /* the checksum is the head's last word but for what is 0 */
  uint8_t original[2048];
  memcpy(original, message, sizeof original);
  memcpy(original + head + 4, of_shown.bytes, of_shown.length);
  shmalloc_export_params descriptor = SHMALLOC_INIT(shmalloc_export_params);
  descriptor.flags = SHMALLOC_EXPORT_DESCRIPTOR;
  struct handle sent = {.length = sizeof sent.bytes};
  OK(shmalloc_storage_export(shown, &descriptor, sent.bytes, &sent.length, err));
  memcpy(original + head + 4, sent.bytes, sent.length);
  const uint32_t good = crc32c(original + head, (size_t)length - head);
  while (at + 4 <= head && memcmp(message + at, &good, 4) != 0) ++at;
  assert_true(at + 4 <= head);
  memcpy(message + at, &crc, 4);
  part.iov_len = (size_t)length;
  assert_int_equal(sendmsg(ends[0], &header, 0), length);
  size_t room = 1;
  FAILS(CORRUPT, "", shmalloc_storage_receive(ends[1], NULL, &got, &room, err));
  const struct cmsghdr *fds = CMSG_FIRSTHDR(&header);
  for (int i = 0; i < 2; ++i) close(((const int *)(const void *)CMSG_DATA(fds))[i]);
  close(ends[0]);
  close(ends[1]);
  shmalloc_storage_release(secret);
  OK(shmalloc_storage_close(shown, err));
  shmalloc_storage_release(shown);
  trim(mine);
  assert_empty(yours);
  shmalloc_allocator_release(mine);
  shmalloc_allocator_release(yours);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forged_handles_open_nothing),
      cmocka_unit_test(a_message_opens_nothing_that_its_sender_has_not),
  };
  return cmocka_run_group_tests_name("shared_forged", tests, NULL, NULL);
}
