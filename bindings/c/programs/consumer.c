/* Takes the pieces that another process sends through a channel, and checks the sum of each.
 *   consumer HANDLE_TEXT      of the storage that the channel lives in */
#include <inttypes.h>
#include <shmalloc.h>
#include <stdio.h>

/* What is said of each piece. */
struct note {
  uint64_t number, length, sum;
};

static int fail(const char *what, const shmalloc_error *err) {
  fprintf(stderr, "consumer: %s: %s: %s\n", what, shmalloc_status_name(err->status), err->message);
  return 1;
}

static shmalloc_status open_channel(const char *text, shmalloc_channel **channel, shmalloc_error *err) {
  uint8_t handle[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof handle;
  shmalloc_storage *storage = NULL;
  shmalloc_status status = shmalloc_handle_from_text(text, handle, &length, err);
  if (status == SHMALLOC_STATUS_OK) status = shmalloc_storage_import(handle, length, NULL, 0, NULL, &storage, err);
  if (status == SHMALLOC_STATUS_OK) status = shmalloc_channel_open(storage, channel, err);
  shmalloc_storage_release(storage);
  return status;
}

static int as_sent(shmalloc_storage *storage, const struct note *note) {
  const uint64_t *words = shmalloc_storage_data(storage);
  uint64_t sum = 0;
  if (note->length > shmalloc_storage_size(storage)) return 0;
  for (size_t i = 0; i < note->length / sizeof *words; i++) sum += words[i];
  return sum == note->sum;
}

int main(int argc, char **argv) {
  shmalloc_channel *channel = NULL;
  shmalloc_storage *storage;
  shmalloc_error err;
  struct note note;
  uint64_t pieces = 0, bytes = 0;
  if (argc != 2) return fprintf(stderr, "usage: consumer HANDLE_TEXT\n"), 2;
  if (open_channel(argv[1], &channel, &err) != SHMALLOC_STATUS_OK) return fail("opening the channel", &err);
  puts("ready");
  fflush(stdout);

  for (;; pieces++, bytes += note.length) {
    size_t length = sizeof note;
    shmalloc_status status = shmalloc_channel_receive(channel, &storage, (uint8_t *)&note, &length, SHMALLOC_TIME_FOREVER, &err);
    if (status == SHMALLOC_STATUS_CLOSED) break;
    if (status != SHMALLOC_STATUS_OK) return fail("receiving", &err);
    int good = length == sizeof note && as_sent(storage, &note);
    shmalloc_storage_release(storage);
    if (!good) return printf("C: piece %" PRIu64 " is not as sent\n", note.number), 1;
  }
  shmalloc_channel_release(channel);
  printf("C: %" PRIu64 " pieces, %" PRIu64 " bytes, all as sent\n", pieces, bytes);
  return 0;
}
