// The pages that this machine really gives: as we are, as nobody, to threads, to forked children, and after the application took away what
// we rely on.
#include <pthread.h>
#include <sched.h>

#include "pages_support.hpp"

namespace {

constexpr char kSettings[] = "/sys/kernel/mm/transparent_hugepage/";

bool is_root() { return geteuid() == 0; }
// Whether a mount is allowed in a user namespace at all, found out without us.
bool may_make_namespace(bool as_nobody) {
  const pid_t child = fork();
  if (child == 0) {
    if (as_nobody && !become_nobody(true)) _exit(2);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(1);
    _exit(syscall(SYS_fsopen, "tmpfs", 1) < 0 ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0;
}
bool has_huge_pages() { return access((std::string(kSettings) + "shmem_enabled").c_str(), R_OK) == 0; }

void what_the_report_says_is_so(void **) {
  const Fresh fresh;
  const PagesReport report = pages_report();
  print_message("# %s: %s; %s; %s\n", report.pages, report.ways[0].why, report.ways[1].why, report.ways[2].why);
  const bool huge = strcmp(report.way, "small") != 0;
  SegmentFile file;
  assert_true(good(Pages::automatic, false, huge, &file));
  assert_int_equal(file.sealable, report.sealable);
  if (huge) assert_true(mapped_huge(file) > 0);
  assert_true(good(Pages::automatic, true, huge && report.sealable));
  assert_true(good(Pages::small, false, false, &file));
  assert_true(file.sealable);
  if (huge && report.sealable) assert_true(good(Pages::huge, true, true));
  if (!huge || !report.sealable) assert_true(refused(true, "2 MiB"));
  for (const auto &way : report.ways) assert_int_equal(way.available, way.why[0] == 0);
}

void root_gets_huge_pages(void **) {
  if (!is_root() || !has_huge_pages() || !may_make_namespace(false)) skip();
  const Fresh fresh;
  SegmentFile file;
  assert_true(good(Pages::huge, false, true, &file));
  assert_int_equal(mapped_huge(file), 4096);
}

int children_ended;
void count_child(int) { ++children_ended; }

// In a child, for it can't go back.
void nobody_gets_them_too(void **) {
  if (!is_root() || !has_huge_pages() || !may_make_namespace(true)) skip();
  forget_pages();
  IN_CHILD({
    struct sigaction action {};
    action.sa_handler = count_child;
    sigaction(SIGCHLD, &action, nullptr);
    CHILD_CHECK(become_nobody(true));
    SegmentFile file;
    CHILD_CHECK(good(Pages::huge, false, true, &file));
    CHILD_CHECK(mapped_huge(file) == 4096);
    CHILD_CHECK(children_ended == 0);
    CHILD_CHECK(waitpid(-1, nullptr, WNOHANG | __WALL) == -1 && errno == ECHILD);
    struct stat status {};
    CHILD_CHECK(fstat(file.fd.get(), &status) == 0 && status.st_uid == 65534 && (status.st_mode & 0777) == 0600);
    // Others map it by the descriptor; it can be opened again where handles are.
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file.fd.get());
    const int again = open(path, O_RDWR | O_CLOEXEC);
    CHILD_CHECK(again >= 0);
  });
}

int forks;
void count_fork() { ++forks; }

void rights_may_be_given_up_afterwards(void **) {
  if (!is_root() || !has_huge_pages()) skip();
  forget_pages();
  for (const bool dumpable : {false, true}) {
    IN_CHILD({
      CHILD_CHECK(uses("tmpfs") || uses("memfd_thp") || uses("small"));
      const int before = count_directory("/proc/self/fd", "");
      CHILD_CHECK(become_nobody(dumpable));
      auto file = make_segment_file("shmalloc test", Pages::automatic, false);
      CHILD_CHECK(file);
      file->fd.reset();
      CHILD_CHECK(count_directory("/proc/self/fd", "") <= before);
      // A process that is locked against others can't write the map of a namespace.
      if (!dumpable) CHILD_CHECK(!uses("tmpfs"));
    });
  }
}

pthread_barrier_t start;
void *make_some(void *) {
  pthread_barrier_wait(&start);
  for (int i = 0; i < 20; ++i) {
    if (!make_segment_file("shmalloc test", Pages::automatic, false)) return &start;
  }
  return nullptr;
}

void threads_choose_once(void **) {
  for (int round = 0; round < 30; ++round) {
    const Fresh fresh;
    pthread_t threads[4];
    pthread_barrier_init(&start, nullptr, 4);
    for (pthread_t &thread : threads) assert_int_equal(pthread_create(&thread, nullptr, make_some, nullptr), 0);
    for (const pthread_t thread : threads) {
      void *bad = nullptr;
      pthread_join(thread, &bad);
      assert_null(bad);
    }
    pthread_barrier_destroy(&start);
    assert_in_range(count_directory("/proc/self/fd", "") - fresh.descriptors, 0, 1);
  }
}

dev_t device_of(const SegmentFile &file) {
  struct stat status {};
  assert_int_equal(fstat(file.fd.get(), &status), 0);
  return status.st_dev;
}
// The descriptor of the mount.
int find_mount(dev_t device) {
  for (int fd = 3; fd < 1000; ++fd) {
    struct stat status {};
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && status.st_dev == device) return fd;
  }
  return -1;
}

void a_forked_child_goes_on_with_the_mount(void **) {
  const Fresh fresh;
  if (!uses("tmpfs")) skip();
  SegmentFile file;
  assert_true(good(Pages::huge, false, true, &file));
  const dev_t device = device_of(file);
  IN_CHILD({
    SegmentFile mine;
    CHILD_CHECK(good(Pages::huge, false, true, &mine));
    CHILD_CHECK(device_of(mine) == device);
  });
}

// Daemons close all descriptors, and the numbers come to lead elsewhere.
void what_took_the_mounts_number_is_not_used(void **) {
  const Fresh fresh;
  if (!uses("tmpfs")) skip();
  SegmentFile file;
  for (const char *other : {"", "/dev/shm", "/proc", "/dev/null"}) {
    assert_true(good(Pages::huge, false, true, &file));
    const int mount = find_mount(device_of(file));
    assert_true(mount > 2 && (fcntl(mount, F_GETFD) & FD_CLOEXEC) != 0);
    close(mount);
    struct stat taken {};
    struct stat now {};
    if (other[0] != 0) {
      const int fd = open(other, O_RDONLY | O_CLOEXEC);
      assert_true(fd == mount || (dup3(fd, mount, O_CLOEXEC) == mount && close(fd) == 0));
      assert_int_equal(fstat(mount, &taken), 0);
    }
    assert_true(good(Pages::huge, false, true, &file));
    assert_int_not_equal(device_of(file), taken.st_dev);
    if (other[0] == 0) continue;
    // It is somebody's, so it is left alone.
    assert_int_equal(fstat(mount, &now), 0);
    assert_true(now.st_dev == taken.st_dev && now.st_ino == taken.st_ino);
    close(mount);
  }
}

void no_atfork_handler_runs(void **) {
  if (!is_root() || !may_make_namespace(true)) skip();
  forget_pages();
  IN_CHILD({
    CHILD_CHECK(become_nobody(true));
    CHILD_CHECK(pthread_atfork(count_fork, count_fork, count_fork) == 0);
    pages_report();
    CHILD_CHECK(forks == 0);
  });
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(what_the_report_says_is_so),
      cmocka_unit_test(root_gets_huge_pages),
      cmocka_unit_test(nobody_gets_them_too),
      cmocka_unit_test(no_atfork_handler_runs),
      cmocka_unit_test(rights_may_be_given_up_afterwards),
      cmocka_unit_test(threads_choose_once),
      cmocka_unit_test(a_forked_child_goes_on_with_the_mount),
      cmocka_unit_test(what_took_the_mounts_number_is_not_used),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
