// Every scenario is run once to count its system calls and allocations, and then once for each of them and for each of some errnos, with
// that one failing. Whatever the outcome, the descriptor table, the mappings and /dev/shm are then what they were, every adopted memory
// was given back exactly once, and the scenario works again.
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include <initializer_list>

#include "faults.hpp"
#include "os/calls.hpp"
#include "os/pages.hpp"
#include "shmalloc/dlpack.h"
#include "shmalloc/torch.h"
#include "support.h"

namespace {

char path[64];
char shm[64];
int destroyed;
int adopted;

void count_destroy(void *) { ++destroyed; }

shmalloc_error last;
// Checks what every failing call owes, then says whether to go on.
bool ok(shmalloc_status status) {
  if (status == SHMALLOC_STATUS_OK) return true;
  if (last.status != status) fail_msg("status %d, but the error says %d: %s", status, last.status, last.message);
  if (memchr(last.message, 0, sizeof last.message) == last.message) fail_msg("status %d without a message", status);
  if (status == SHMALLOC_STATUS_INTERNAL) fail_msg("INTERNAL: %s", last.message);
  return false;
}

struct Storages {
  shmalloc_storage *all[4] = {};
  ~Storages() {
    for (shmalloc_storage *storage : all) shmalloc_storage_release(storage);
  }
};
struct Made {
  shmalloc_allocator *allocator = nullptr;
  explicit Made(shmalloc_allocator_kind kind, const char *config = "export_ttl_ms:0") {
    shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
    params.kind = kind;
    params.config = config;
    ok(shmalloc_allocator_create(&params, &allocator, &last));
  }
  ~Made() { shmalloc_allocator_release(allocator); }
};

bool make(shmalloc_allocator *from, size_t size, uint32_t mapped, const char *name, shmalloc_storage **out) {
  return ok(map_named(from, size, mapped, name, out, &last));
}

void nameless() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  Storages s;
  if (map.allocator == nullptr || !make(map.allocator, 100000, 0, nullptr, &s.all[0])) return;
  memset(shmalloc_storage_data(s.all[0]), 1, 100000);
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  ok(shmalloc_storage_get_info(s.all[0], &info, &last));
  ok(shmalloc_storage_close(s.all[0], &last));
}

void shm_objects() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  Storages s;
  if (map.allocator == nullptr) return;
  if (!make(map.allocator, 5000, SHMALLOC_MAPPED_SHAREDMEM, nullptr, &s.all[0])) return;
  if (!make(map.allocator, 5000, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE | SHMALLOC_MAPPED_KEEPFD, shm, &s.all[1]))
    return;
  if (!make(map.allocator, 6000, SHMALLOC_MAPPED_SHAREDMEM, shm, &s.all[2])) return;
  memset(shmalloc_storage_data(s.all[2]), 1, 6000);
  make(map.allocator, 5000, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_UNLINK, nullptr, &s.all[3]);
}

void files() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP, "populate:1");
  Storages s;
  if (map.allocator == nullptr) return;
  if (!make(map.allocator, 5000, SHMALLOC_MAPPED_SHARED, path, &s.all[0])) return;
  if (!make(map.allocator, 9000, SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_KEEPFD, path, &s.all[1])) return;
  make(map.allocator, 0, 0, path, &s.all[2]);
  make(map.allocator, 0, SHMALLOC_MAPPED_READ_ONLY, path, &s.all[3]);
}

void descriptors() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  {
    Storages s;
    shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
    params.mapped = SHMALLOC_MAPPED_SHARED | SHMALLOC_MAPPED_FROMFD | SHMALLOC_MAPPED_KEEPFD;
    params.fd = fd;
    params.alignment = 1 << 16;
    if (map.allocator != nullptr) ok(shmalloc_storage_create(map.allocator, 20000, 0, &params, &s.all[0], &last));
  }
  close(fd);
}

void counted() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
  Storages s;
  int32_t count = 0;
  if (map.allocator == nullptr || !ok(shmalloc_storage_create(map.allocator, 5000, 0, nullptr, &s.all[0], &last))) return;
  char name[128];
  size_t length = sizeof name;
  if (!ok(shmalloc_storage_get_name(s.all[0], name, &length, &last))) return;
  if (!make(map.allocator, 0, SHMALLOC_MAPPED_NOCREATE, name, &s.all[1])) return;
  if (ok(shmalloc_torch_refcount(s.all[1], 0, &count, &last)) && count != 2) fail_msg("count %d", count);
}

void handles() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  for (const uint32_t mapped :
       {0U, static_cast<uint32_t>(SHMALLOC_MAPPED_SHAREDMEM), static_cast<uint32_t>(SHMALLOC_MAPPED_SHARED)}) {
    Storages s;
    uint8_t bytes[SHMALLOC_HANDLE_MAX];
    size_t length = sizeof bytes;
    char text[SHMALLOC_HANDLE_TEXT_MAX];
    size_t room = sizeof text;
    const char *name = mapped == SHMALLOC_MAPPED_SHARED ? path : nullptr;
    if (map.allocator == nullptr || !make(map.allocator, 5000, mapped, name, &s.all[0])) return;
    if (!ok(shmalloc_storage_export(s.all[0], nullptr, bytes, &length, &last))) return;
    if (!ok(shmalloc_handle_to_text(bytes, length, text, &room, &last))) return;
    length = sizeof bytes;
    if (!ok(shmalloc_handle_from_text(text, bytes, &length, &last))) return;
    if (!ok(shmalloc_storage_import(bytes, length, nullptr, 0, nullptr, &s.all[1], &last))) return;
    int32_t fd = -1;
    size_t count = 1;
    if (!ok(shmalloc_storage_export_fds(s.all[1], nullptr, &fd, &count, &last))) return;
    if (mapped == 0 && ok(shmalloc_storage_import(bytes, length, &fd, 1, nullptr, &s.all[2], &last))) {
      ok(shmalloc_storage_revoke(s.all[2], &last));
    }
    close(fd);
  }
}

void messages() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail_msg("socketpair");
  {
    Made map(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
    Storages s;
    shmalloc_import_params from = SHMALLOC_INIT(shmalloc_import_params);
    from.flags = SHMALLOC_IMPORT_SAME_USER;
    from.timeout_ns = 1000000000;
    size_t room = 2;
    shmalloc_export_params to = SHMALLOC_INIT(shmalloc_export_params);
    to.ttl_ns = SHMALLOC_TIME_NONE;
    if (map.allocator != nullptr && ok(shmalloc_storage_create(nullptr, 5000, 0, nullptr, &s.all[0], &last)) &&
        ok(shmalloc_storage_create(map.allocator, 5000, 0, nullptr, &s.all[1], &last)) &&
        ok(shmalloc_storage_send(ends[0], s.all, 2, &to, &last))) {
      if (ok(shmalloc_storage_receive(ends[1], &from, s.all + 2, &room, &last)) && room != 2) fail_msg("%zu came", room);
    }
  }
  close(ends[0]);
  close(ends[1]);
}

void moving() {
  static char memory[5000];
  Storages s;
  ++adopted;
  if (!ok(shmalloc_storage_adopt(0, reinterpret_cast<uintptr_t>(memory), sizeof memory, nullptr, nullptr, count_destroy, &s.all[0],
                                 &last)))
    return;
  if (ok(shmalloc_storage_share(s.all[0], nullptr, 0, &last)) &&
      memcmp(shmalloc_storage_data(s.all[0]), memory, sizeof memory) != 0) {
    fail_msg("bytes got lost");
  }
  Made direct(SHMALLOC_ALLOCATOR_KIND_DIRECT, "alignment:4096");
  Made counted(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED);
  if (direct.allocator == nullptr || counted.allocator == nullptr) return;
  if (!ok(shmalloc_storage_create(direct.allocator, 5000, 0, nullptr, &s.all[1], &last))) return;
  if (!ok(shmalloc_storage_copy(s.all[1], 0, s.all[0], 0, 5000, 0, 0, &last))) return;
  ok(shmalloc_storage_share(s.all[1], counted.allocator, 0, &last));
}

void growing_and_sealing() {
  Storages s;
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.capacity = 1 << 20;
  if (!ok(shmalloc_storage_create(nullptr, 5000, 0, &params, &s.all[0], &last))) return;
  memset(shmalloc_storage_data(s.all[0]), 1, 5000);
  ok(shmalloc_storage_grow(s.all[0], 100000, 0, &last));
  memset(shmalloc_storage_data(s.all[0]), 2, shmalloc_storage_size(s.all[0]));
  ok(shmalloc_storage_seal(s.all[0], &last));
  shmalloc_export_params read_only = SHMALLOC_INIT(shmalloc_export_params);
  read_only.flags = SHMALLOC_EXPORT_READ_ONLY;
  read_only.ttl_ns = SHMALLOC_TIME_NONE;
  uint8_t bytes[SHMALLOC_HANDLE_MAX];
  size_t length = sizeof bytes;
  params.capacity = 0;
  params.flags = SHMALLOC_STORAGE_ISOLATED;
  if (!ok(shmalloc_storage_create(nullptr, 5000, 0, &params, &s.all[1], &last))) return;
  if (!ok(shmalloc_storage_export(s.all[1], &read_only, bytes, &length, &last))) return;
  ok(shmalloc_storage_import(bytes, length, nullptr, 0, nullptr, &s.all[2], &last));
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  if (map.allocator == nullptr || !make(map.allocator, 70000, SHMALLOC_MAPPED_SHAREDMEM, nullptr, &s.all[3])) return;
  ok(shmalloc_storage_copy(s.all[3], 1, s.all[3], 0, 69000, 0, 0, &last));  // with the kernel's help
}

// Storages through a channel, opened twice, waited for, and left with one in flight.
void channels() {
  Made pool(SHMALLOC_ALLOCATOR_KIND_SHARED);
  Storages s;
  shmalloc_channel *channel = nullptr, *again = nullptr;
  shmalloc_channel_params params = SHMALLOC_INIT(shmalloc_channel_params);
  params.capacity = 2;
  const uint8_t record[4] = {1, 2, 3, 4};
  uint8_t back[32];
  size_t length = sizeof back;
  const auto body = [&] {
    if (pool.allocator == nullptr || !ok(shmalloc_channel_create(&params, &channel, &last))) return;
    if (!ok(shmalloc_channel_storage(channel, &s.all[0], &last)) || !ok(shmalloc_channel_open(s.all[0], &again, &last))) return;
    if (!ok(shmalloc_storage_create(pool.allocator, 5000, 0, nullptr, &s.all[1], &last))) return;
    memset(shmalloc_storage_data(s.all[1]), 3, 5000);
    shmalloc_storage *none = nullptr;
    if (shmalloc_channel_receive(channel, &none, nullptr, nullptr, 100000, &last) == SHMALLOC_STATUS_OK) fail_msg("one came");
    if (!ok(shmalloc_channel_send(again, s.all[1], record, sizeof record, SHMALLOC_TIME_NONE, &last))) return;
    if (!ok(shmalloc_channel_receive(channel, &s.all[2], back, &length, SHMALLOC_TIME_NONE, &last))) {
      shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
      if (ok(shmalloc_channel_get_info(channel, &info, &last)) && info.length != 1) fail_msg("a failed call took one");
      return;
    }
    if (length != sizeof record || memcmp(back, record, length) != 0) fail_msg("another record");
    if (static_cast<const uint8_t *>(shmalloc_storage_data(s.all[2]))[4999] != 3) fail_msg("other bytes");
    if (!ok(shmalloc_channel_send(again, s.all[1], nullptr, 0, SHMALLOC_TIME_NONE, &last))) return;
    ok(shmalloc_channel_send(again, s.all[1], nullptr, 0, SHMALLOC_TIME_NONE, &last));
    if (shmalloc_channel_send(again, s.all[1], nullptr, 0, 100000, &last) == SHMALLOC_STATUS_OK) fail_msg("there was room");
    for (int i = 0; i < 2; ++i) {
      if (!ok(shmalloc_channel_receive(channel, &none, nullptr, nullptr, SHMALLOC_TIME_NONE, &last))) return;
      shmalloc_storage_release(none);
    }
    ok(shmalloc_channel_close(again, &last));
  };
  body();
  // What could not be received is taken out, or it would be kept for somebody to come.
  for (shmalloc_storage *left = nullptr;
       channel != nullptr && shmalloc_channel_receive(channel, &left, nullptr, nullptr, SHMALLOC_TIME_NONE, nullptr) == 0;) {
    shmalloc_storage_release(left);
  }
  shmalloc_channel_release(again);
  shmalloc_channel_release(channel);
}

// Whatever fails, what is released is not counted any more, and nobody's storage fails because of a history.
void traced() {
  for (const auto kind : {SHMALLOC_ALLOCATOR_KIND_DIRECT, SHMALLOC_ALLOCATOR_KIND_MAP}) {
    Made from(kind, kind == SHMALLOC_ALLOCATOR_KIND_MAP ? "export_ttl_ms:0" : "");
    if (from.allocator == nullptr) return;
    shmalloc_history_params params = SHMALLOC_INIT(shmalloc_history_params);
    params.flags = SHMALLOC_HISTORY_RECORD;
    params.max_entries = 5;
    ok(shmalloc_allocator_record_history(from.allocator, &params, &last));
    {
      Storages s;
      for (int i = 0; i < 3; ++i) ok(shmalloc_storage_create(from.allocator, 5000, 0, nullptr, &s.all[i], &last));
      ok(shmalloc_allocator_snapshot(from.allocator, nullptr, from.allocator, &s.all[3], &last));
    }
    Storages s;
    ok(shmalloc_allocator_snapshot(from.allocator, nullptr, nullptr, &s.all[0], &last));
    shmalloc_statistics now = SHMALLOC_INIT(shmalloc_statistics);
    if (!ok(shmalloc_allocator_get_statistics(from.allocator, &now, &last))) continue;
    if (now.active[0].current != 0 || now.active_bytes[0].current != 0 || now.requested_bytes[0].current != 0)
      fail_msg("%lld blocks are counted, none is there", static_cast<long long>(now.active[0].current));
    if (now.num_ooms > 1) fail_msg("one failure is counted %lld times", static_cast<long long>(now.num_ooms));
  }
}

int32_t see(const shmalloc_object_info *object, void *) { return object->struct_size == 0; }

void machine() {
  char text[8192];
  size_t length = sizeof text;
  shmalloc_device_info device = SHMALLOC_INIT(shmalloc_device_info);
  ok(shmalloc_machine_describe(text, &length, &last));
  ok(shmalloc_device_get_info(0, &device, &last));
  ok(shmalloc_machine_walk("no_such_prefix", see, nullptr, &last));
  ok(shmalloc_machine_reclaim(nullptr, "no_such_prefix", SHMALLOC_RECLAIM_DRY_RUN, nullptr, nullptr, &last));
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  Storages s;
  if (map.allocator == nullptr || !make(map.allocator, 100, SHMALLOC_MAPPED_SHAREDMEM | SHMALLOC_MAPPED_EXCLUSIVE, shm, &s.all[0]))
    return;
  ok(shmalloc_machine_reclaim(shm, nullptr, SHMALLOC_RECLAIM_FORCE, nullptr, nullptr, &last));
}

void segments() {
  using namespace shmalloc::os;
  for (const bool sealed : {false, true}) {
    for (const Pages wanted : {Pages::automatic, Pages::huge, Pages::small}) {
      auto file = make_segment_file("shmalloc fault", wanted, sealed);
      if (!file) {
        last = file.error();
        ok(static_cast<shmalloc_status>(last.status));
      } else if (sealed && !file->sealable) {
        fail_msg("a file that takes no seals");
      }
    }
  }
  pages_report();
  forget_pages();
  forget_pages();  // The first may have been the call that failed.
}

// Where mounting is forbidden to us but not to a child in a user namespace.
long (*any_syscall)(long number, ...);
pid_t forbidden_to;
long refusing_syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  long values[6];
  for (long &value : values) value = va_arg(arguments, long);
  va_end(arguments);
  if (number == SYS_fsopen && getpid() == forbidden_to) {
    errno = EPERM;
    return -1;
  }
  return any_syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
void segments_inside() {
  forbidden_to = getpid();
  any_syscall = shmalloc::os::calls.syscall;
  shmalloc::os::calls.syscall = refusing_syscall;
  segments();
  shmalloc::os::calls.syscall = any_syscall;
}

void manager() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail_msg("pipe");
  close(ends[1]);  // Told to stop before it begins.
  ok(shmalloc_torch_manager_run(path, ends[0], &last));
  close(ends[0]);
  Made alone(SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, "manager:/tmp/shmalloc-no-such-manager");
  Storages s;
  if (alone.allocator != nullptr) ok(shmalloc_storage_create(alone.allocator, 100, 0, nullptr, &s.all[0], &last));
}

void settings() {
  Made map(SHMALLOC_ALLOCATOR_KIND_MAP);
  char text[256];
  size_t length = sizeof text;
  if (map.allocator == nullptr) return;
  ok(shmalloc_allocator_configure(map.allocator, "prefix:x", &last));
  ok(shmalloc_allocator_get_config(map.allocator, nullptr, text, &length, &last));
  length = sizeof text;
  ok(shmalloc_make_name("x", text, &length, &last));
  shmalloc_storage_params params = SHMALLOC_INIT(shmalloc_storage_params);
  params.numa_node = 1;
  Storages s;
  ok(shmalloc_storage_create(map.allocator, 5000, 0, &params, &s.all[0], &last));
}

void clean() {
  shmalloc_allocator_trim(nullptr, 0, 0, nullptr, nullptr);
  unlink(path);
  char file[96];
  snprintf(file, sizeof file, "%s.lock", path);
  unlink(file);
  snprintf(file, sizeof file, "/dev/shm%s", shm);
  unlink(file);
  // What a name that could not be removed left behind.
  DIR *directory = opendir("/dev/shm");
  char mine[32];
  snprintf(mine, sizeof mine, "_%d_", getpid());
  while (const struct dirent *entry = readdir(directory)) {
    if (strstr(entry->d_name, mine) == nullptr) continue;
    char leftover[300];
    snprintf(leftover, sizeof leftover, "/dev/shm/%s", entry->d_name);
    unlink(leftover);
  }
  closedir(directory);
}

int names_of_ours() { return count_directory("/dev/shm", own("")); }

void survive(void (*scenario)()) {
  clean();
  scenario();
  clean();
  faults::arm(0, 0);
  scenario();
  const long calls = faults::disarm();
  assert_true(calls > 3);
  clean();
  const held before = look();
  for (const int error : {ENOMEM, ENOSPC, EACCES, EINTR}) {
    // Looking through /proc makes thousands of calls that are all alike: of those only some are tried.
    for (long nth = 1; nth <= calls + 2; nth += calls > 400 && nth > 60 && nth < calls - 60 ? calls / 40 : 1) {
      destroyed = adopted = 0;
      faults::arm(nth, error);
      scenario();
      faults::disarm();
      shmalloc_allocator_trim(nullptr, 0, 0, nullptr, nullptr);  // Does what was put off.
      if (destroyed != adopted) fail_msg("call %ld (%s): %d adopted, %d given back", nth, faults::failed(), adopted, destroyed);
      if (names_of_ours() != 0 && !faults::leaves_a_name())
        fail_msg("call %ld (%s, errno %d) left a name", nth, faults::failed(), error);
      clean();
      const held now = look();
      if (now.descriptors != before.descriptors || now.mappings != before.mappings) {
        fail_msg("call %ld (%s, errno %d): descriptors %d, were %d; mappings %d, were %d", nth, faults::failed(), error,
                 now.descriptors, before.descriptors, now.mappings, before.mappings);
      }
    }
  }
  scenario();
  clean();
}

void tensors() {
  Storages s;
  DLManagedTensorVersioned *tensor = nullptr;
  if (!ok(shmalloc_storage_create(nullptr, 5000, 0, nullptr, &s.all[0], &last))) return;
  if (!ok(shmalloc_dlpack_export(s.all[0], nullptr, &tensor, &last))) return;
  // What is imported is its own maker's tensor: given back on failure too, which the storage's pins tell.
  ok(shmalloc_dlpack_import(tensor, nullptr, &s.all[1], &last));
}

#define SCENARIO(name) \
  void name##_survives(void **) { survive(name); }
SCENARIO(nameless)
SCENARIO(shm_objects)
SCENARIO(files)
SCENARIO(descriptors)
SCENARIO(counted)
SCENARIO(handles)
SCENARIO(messages)
SCENARIO(moving)
SCENARIO(growing_and_sealing)
SCENARIO(machine)
SCENARIO(segments)
SCENARIO(segments_inside)
SCENARIO(manager)
SCENARIO(settings)
SCENARIO(traced)
SCENARIO(channels)
SCENARIO(tensors)

// The very first call of a process sets it up: that may fail too, and be tried again. What is looked for behind that, the machine's best
// pages, is not needed for success.
void the_first_call_may_fail(void **) {
  shmalloc_storage *storage = nullptr;
  for (long nth = 1; nth < 4; ++nth) {
    faults::arm(nth, ENOMEM);
    const shmalloc_status status = shmalloc_storage_create(nullptr, 100, 0, nullptr, &storage, &last);
    faults::disarm();
    if (nth == 1) {
      assert_int_equal(strcmp(faults::failed(), "atfork"), 0);
      assert_int_equal(status, SHMALLOC_STATUS_NO_MEMORY);
    }
    if (status == SHMALLOC_STATUS_OK) {
      memset(shmalloc_storage_data(storage), 1, 100);
      shmalloc_storage_release(storage);
      storage = nullptr;
    } else {
      assert_int_equal(status, SHMALLOC_STATUS_NO_MEMORY);
    }
    assert_null(storage);
  }
}

}  // namespace

int main() {
  snprintf(path, sizeof path, "%s", own("/tmp/shmalloc-test-fault"));
  snprintf(shm, sizeof shm, "%s", own("/shmalloc_fault"));
  faults::install();
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_first_call_may_fail),  cmocka_unit_test(nameless_survives),
      cmocka_unit_test(shm_objects_survives),     cmocka_unit_test(files_survives),
      cmocka_unit_test(descriptors_survives),     cmocka_unit_test(counted_survives),
      cmocka_unit_test(handles_survives),         cmocka_unit_test(messages_survives),
      cmocka_unit_test(moving_survives),          cmocka_unit_test(growing_and_sealing_survives),
      cmocka_unit_test(machine_survives),         cmocka_unit_test(segments_survives),
      cmocka_unit_test(segments_inside_survives), cmocka_unit_test(manager_survives),
      cmocka_unit_test(settings_survives),        cmocka_unit_test(traced_survives),
      cmocka_unit_test(channels_survives),        cmocka_unit_test(tensors_survives),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
