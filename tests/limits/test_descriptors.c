/* The descriptor table is full but for a few, wherever a call meets that: it succeeds, or names the limit and leaves nothing behind. */
#include <sys/resource.h>
#include <sys/socket.h>

#include "support.h"

static shmalloc_allocator *map, *counted, *direct;
static char file_path[64];

static void begin(void) {
  char config[64];
  snprintf(config, sizeof config, "prefix:%s", own_prefix());
  snprintf(file_path, sizeof file_path, "/dev/shm/%sfile", own_prefix());
  map = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP, config);
  counted = new_allocator(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, config);
  direct = new_allocator(SHMALLOC_ALLOCATOR_KIND_DIRECT, NULL);
}

enum { kTable = 64 };
static int fillers[kTable];
static int filler_count;

static void fill_table(int spare) {
  const struct rlimit limit = {kTable, kTable};
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (filler_count = 0; filler_count < kTable; ++filler_count) {
    fillers[filler_count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fillers[filler_count] < 0) break;
  }
  CHECK(errno == EMFILE && filler_count >= spare);
  while (spare-- > 0) close(fillers[--filler_count]);
}
static void empty_table(void) {
  while (filler_count > 0) close(fillers[--filler_count]);
}

struct step {
  const char *name;
  void (*prepare)(void); /* while there is room; optional */
  shmalloc_status (*run)(void);
  void (*finish)(void); /* after it was OK */
};

static shmalloc_storage *source, *made; /* what a step works on, what it makes */
static int32_t fds[4];
static uint8_t handle[SHMALLOC_HANDLE_MAX];
static size_t handle_length;
static int ends[2];

static void release_made(void) {
  shmalloc_storage_release(made);
  made = NULL;
  unlink(file_path);
}
static void nothing(void) {}

static shmalloc_status make_default(void) { return create(map, 100, 0, NULL, 0, &made); }
static shmalloc_status make_shm(void) { return create(map, 100, SHMALLOC_MAPPED_SHAREDMEM, NULL, 0, &made); }
static shmalloc_status make_unlinked(void) {
  return create(map, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK | SHMALLOC_MAPPED_KEEPFD, NULL, 0, &made);
}
static shmalloc_status make_file(void) { return create(map, 100, SHMALLOC_MAPPED_SHARED, file_path, 0, &made); }
static shmalloc_status make_counted(void) { return create(counted, 100, 0, NULL, 0, &made); }
static shmalloc_status make_from_fd(void) { return create_from(map, info_of(source).fd, 0, SHMALLOC_MAPPED_SHARED, 0, &made); }
static shmalloc_status import_handle(void) { return shmalloc_storage_import(handle, handle_length, NULL, 0, NULL, &made, &err); }
static shmalloc_status import_with_fd(void) { return shmalloc_storage_import(handle, handle_length, fds, 1, NULL, &made, &err); }

static void export_source(void) {
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = SHMALLOC_TIME_NONE;
  handle_length = sizeof handle;
  EXPECT(OK, shmalloc_storage_export(source, &params, handle, &handle_length, &err));
}
static void prepare_nameless(void) {
  EXPECT(OK, create(map, 5000, 0, NULL, 0, &source));
  fill(source, 1);
  export_source();
  fds[0] = info_of(source).fd;
}
static void prepare_named(void) {
  EXPECT(OK, create(map, 5000, SHMALLOC_MAPPED_SHAREDMEM, NULL, 8192, &source));
  fill(source, 1);
  export_source();
}
static void prepare_counted(void) {
  EXPECT(OK, create(counted, 5000, 0, NULL, 0, &source));
  fill(source, 1);
  export_source();
}
static void prepare_private(void) {
  EXPECT(OK, create(direct, 5000, 0, NULL, 0, &source));
  fill(source, 1);
}
static void check_import(void) {
  CHECK(shmalloc_storage_size(made) == 5000 && wrong_byte(made, 1) == SIZE_MAX);
  release_made();
}

static shmalloc_status share(void) { return shmalloc_storage_share(source, map, SHMALLOC_STREAM_DEFAULT, &err); }
static shmalloc_status share_counted(void) { return shmalloc_storage_share(source, counted, SHMALLOC_STREAM_DEFAULT, &err); }
static shmalloc_status grow(void) { return shmalloc_storage_grow(source, 8000, SHMALLOC_STREAM_DEFAULT, &err); }
static shmalloc_status seal(void) { return shmalloc_storage_seal(source, &err); }
static shmalloc_status revoke_source(void) { return shmalloc_storage_revoke(source, &err); }
static shmalloc_status export_fds(void) {
  size_t count = 4;
  return shmalloc_storage_export_fds(source, NULL, fds, &count, &err);
}
static shmalloc_status export_read_only(void) {
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  size_t count = 4;
  params.flags = SHMALLOC_EXPORT_READ_ONLY;
  return shmalloc_storage_export_fds(source, &params, fds, &count, &err);
}
static void close_fd(void) { close(fds[0]); }

static void prepare_stream(void) {
  prepare_nameless();
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}
static shmalloc_status send_source(void) { return shmalloc_storage_send(ends[0], &source, 1, NULL, &err); }
static void check_sent(void) {
  size_t room = 1;
  EXPECT(OK, shmalloc_storage_receive(ends[1], NULL, &made, &room, &err));
  check_import();
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.timeout_ns = SHMALLOC_TIME_NONE; /* the failed sends sent nothing */
  EXPECT(TIMEOUT, shmalloc_storage_receive(ends[1], &params, &made, &room, &err));
}
static shmalloc_status manager(void) { /* needs a socket; stop_fd is readable, so it ends at once */
  char path[64];
  snprintf(path, sizeof path, "/dev/shm/%ssock", own_prefix());
  return shmalloc_torch_manager_run(path, ends[1], &err);
}
static void prepare_manager(void) {
  prepare_stream();
  CHECK(write(ends[0], "", 1) == 1);
}

static const struct step steps[] = {
    {"create", NULL, make_default, release_made},
    {"create a shm object", NULL, make_shm, release_made},
    {"create a removed shm object", NULL, make_unlinked, release_made},
    {"create a file", NULL, make_file, release_made},
    {"create a counted object", NULL, make_counted, release_made},
    {"create from a descriptor", prepare_nameless, make_from_fd, release_made},
    {"import through the process", prepare_nameless, import_handle, check_import},
    {"import with a descriptor", prepare_nameless, import_with_fd, check_import},
    {"import by name", prepare_named, import_handle, check_import},
    {"import a counted object", prepare_counted, import_handle, check_import},
    {"share", prepare_private, share, nothing},
    {"share as a counted object", prepare_private, share_counted, nothing},
    {"grow", prepare_named, grow, nothing},
    {"seal", prepare_nameless, seal, nothing},
    {"revoke", prepare_nameless, revoke_source, nothing},
    {"export_fds", prepare_nameless, export_fds, close_fd},
    {"export_fds of a name", prepare_named, export_fds, close_fd},
    {"export_fds for reading", prepare_nameless, export_read_only, close_fd},
    {"send", prepare_stream, send_source, check_sent},
    {"manager", prepare_manager, manager, nothing},
};

TEST(a_full_descriptor_table_is_no_space_wherever_it_is_met) {
  begin();
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; ++i) {
    char *at_first = picture(own_prefix());
    source = NULL;
    ends[0] = ends[1] = -1;
    if (steps[i].prepare != NULL) steps[i].prepare();
    char *before = picture(own_prefix());
    shmalloc_status status = SHMALLOC_STATUS_INTERNAL;
    int spare = 0;
    for (; status != SHMALLOC_STATUS_OK; ++spare) {
      fill_table(spare);
      status = steps[i].run();
      empty_table();
      if (status == SHMALLOC_STATUS_OK) break;
      if (status != SHMALLOC_STATUS_NO_SPACE || spare == 16) {
        failed(__FILE__, __LINE__, "%s with %d descriptors left: %s: %s", steps[i].name, spare, shmalloc_status_name(status),
               err.message);
      }
      SAYS("may have 64 descriptors");
      SAME(before, own_prefix());
    }
    if (spare == 0) failed(__FILE__, __LINE__, "%s needs no descriptor: this tests nothing", steps[i].name);
    steps[i].finish();
    if (ends[0] >= 0) close(ends[0]), close(ends[1]);
    shmalloc_storage_release(source);
    SAME(at_first, own_prefix());
  }
}

/* A message whose descriptors find no room is dropped whole: the next one comes as it was sent. */
static void receive_at_the_limit(int type) {
  begin();
  shmalloc_storage *sent[3], *got[3];
  CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT(OK, create(map, 3000 + i, 0, NULL, 0, &sent[i]));
    fill(sent[i], i);
  }
  char *before = picture(own_prefix());
  for (int spare = 0;; ++spare) {
    CHECK(spare < 12);
    size_t room = 3;
    EXPECT(OK, shmalloc_storage_send(ends[0], sent, 3, NULL, &err));
    fill_table(spare);
    const shmalloc_status status = shmalloc_storage_receive(ends[1], NULL, got, &room, &err);
    empty_table();
    if (status == SHMALLOC_STATUS_OK) {
      CHECK(room == 3 && spare > 0);
      break;
    }
    expect(SHMALLOC_STATUS_NO_SPACE, status, "receive", __FILE__, __LINE__);
    SAYS("64 descriptors");
    SAME(before, own_prefix());
    EXPECT(OK, shmalloc_storage_send(ends[0], &sent[1], 1, NULL, &err));
    room = 3;
    EXPECT(OK, shmalloc_storage_receive(ends[1], NULL, got, &room, &err));
    CHECK(room == 1 && shmalloc_storage_size(got[0]) == 3001 && wrong_byte(got[0], 1) == SIZE_MAX);
    shmalloc_storage_release(got[0]);
    SAME(before, own_prefix());
  }
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(wrong_byte(got[i], i) == SIZE_MAX);
    shmalloc_storage_release(got[i]);
  }
  SAME(before, own_prefix());
}
TEST(receiving_at_the_limit_drops_one_message_seqpacket) { receive_at_the_limit(SOCK_SEQPACKET); }
TEST(receiving_at_the_limit_drops_one_message_stream) { receive_at_the_limit(SOCK_STREAM); }

RUN(cmocka_unit_test(a_full_descriptor_table_is_no_space_wherever_it_is_met),
    cmocka_unit_test(receiving_at_the_limit_drops_one_message_seqpacket),
    cmocka_unit_test(receiving_at_the_limit_drops_one_message_stream))
