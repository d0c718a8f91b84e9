// Every setting of the machine and every refusal: which way is taken then, what is told of the others, and what is remembered.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>

#include <algorithm>

#include "refusing.hpp"

namespace {

std::string with(const char *words, const char *one) {
  std::string text = words;
  return one[0] == 0 ? "" : text.replace(text.find(one), strlen(one), std::string("[") + one + "]");
}

void the_machines_words_are_obeyed(void **) {
  const char *mount = may_mount() ? "tmpfs" : "small";
  const struct {
    const char *all, *one, *way;
    bool advise;
  } kCases[] = {
      {"always", "", "memfd_thp", false},
      {"within_size", "", "memfd_thp", false},
      {"force", "", "memfd_thp", false},
      {"advise", "", "memfd_thp", true},
      {"never", "", mount, false},
      {"deny", "", "small", false},
      {"always", "inherit", "memfd_thp", false},
      {"always", "never", "small", false},
      {"never", "never", "small", false},
      {"never", "always", "memfd_thp", true},
      {"always", "advise", "memfd_thp", true},
      {"deny", "always", "small", false},
      {"always", "within_size", "memfd_thp", false},
      {"never", "inherit", mount, false},
      {"", "", mount, false},
  };
  for (const auto &one : kCases) {
    const Fresh fresh;
    install();
    all_sizes = with("always within_size advise never deny force\n", one.all);
    one_size = with("always inherit within_size advise never\n", one.one);
    if (!uses(one.way)) fail_msg("shmem_enabled %s, of 2 MiB %s: not %s", one.all, one.one, one.way);
    SegmentFile file;
    const bool huge = strcmp(one.way, "small") != 0;
    const bool sealable = strcmp(one.way, "tmpfs") != 0;
    assert_true(good(Pages::automatic, false, huge, &file));
    assert_int_equal(file.advise, one.advise);
    assert_int_equal(file.sealable, sealable);
    assert_true(good(Pages::automatic, true, huge && sealable, &file));
    assert_true(file.sealable);
    assert_true(good(Pages::small, false, false));
    if (!huge) assert_true(refused(false, "hugepage"));
    if (huge && !sealable) assert_true(refused(true, "seals"));
    if (huge && sealable) assert_true(good(Pages::huge, true, true));
  }
}

void other_sizes_of_huge_pages_are_not_used(void **) {
  const Fresh fresh;
  install();
  page_bytes = "536870912\n";
  all_sizes = with("always never", "always");
  assert_true(uses("small"));
  assert_true(says(0, "512.00 MiB"));
  assert_true(says(1, "512.00 MiB"));
}

// Without rights a namespace is the way, and without that a memfd. The reason is told, and what is certain is not tried again.
void who_may_not_mount_tries_a_namespace(void **) {
  if (!may_mount_inside()) skip();
  const Fresh fresh;
  install();
  forbid_direct = true;
  SegmentFile file;
  assert_true(uses("tmpfs"));
  assert_true(good(Pages::huge, false, true, &file));
  if (access("/sys/kernel/mm/transparent_hugepage/shmem_enabled", R_OK) == 0) assert_true(mapped_huge(file) >= 0);
}

void refusals_are_told_and_remembered(void **) {
  const bool inside = may_mount_inside();
  const struct {
    const void *entry;
    long number;
    int error;
    bool direct;  // else only the namespace is tried
    const char *word;
  } kCases[] = {
      {&calls.syscall, SYS_fsopen, EPERM, true, "fsopen"},
      {&calls.syscall, SYS_fsopen, ENOSYS, true, "fsopen"},
      {&calls.syscall, SYS_fsconfig, EINVAL, true, "huge="},
      {&calls.syscall, SYS_fsmount, EACCES, true, "fsmount"},
      {&calls.syscall, SYS_unshare, EPERM, false, "namespace"},
      {&calls.syscall, SYS_unshare, ENOSPC, false, "namespace"},
      {&calls.syscall, SYS_openat, EACCES, false, "DUMPABLE"},
      {&calls.syscall, SYS_write, EPERM, false, "setgroups"},
      {&calls.clone, 0, EPERM, false, "child"},
      {&calls.openat, 0, EOVERFLOW, true, "file on it"},
  };
  for (const auto &one : kCases) {
    if (!may_mount() || (!one.direct && !inside)) continue;
    const Fresh fresh;
    install();
    forbid_direct = !one.direct;
    refuse(one.entry, one.error, one.number);
    assert_true(good(Pages::automatic, false, false));
    const long tries = counted;
    assert_true(tries > 0);
    assert_true(says(1, one.word));
    assert_true(says(1, strerrordesc_np(one.error)));
    assert_true(good(Pages::automatic, false, false));
    assert_true(refused(false, one.word));
    assert_int_equal(counted, tries);
    assert_int_equal(count_directory("/proc/self/fd", ""), fresh.descriptors);
  }
}

void what_may_pass_is_tried_again(void **) {
  for (const bool inside : {false, true}) {
    if (!may_mount() || (inside && !may_mount_inside())) continue;
    for (const int error : {EMFILE, ENOMEM}) {
      for (long step = 1;; ++step) {
        const Fresh fresh;
        install();
        forbid_direct = inside;
        nth = step;
        with_error = error;
        SegmentFile file;
        auto made = make_segment_file("shmalloc test", Pages::automatic, false);
        if (!made) fail_msg("step %ld: %s", step, made.error().message);
        const bool over = counted < step;
        nth = 0;
        if (over) break;
        made->fd.reset();
        if (!uses("tmpfs")) fail_msg("step %ld is remembered", step);
        assert_true(good(Pages::huge, false, true));
        assert_int_equal(count_directory("/proc/self/fd", ""), fresh.descriptors + 1);
      }
    }
  }
}

// A setting that can't be read for the moment must not cost a process the better way for ever.
void a_setting_that_was_not_read_is_read_again(void **) {
  for (long step = 1; step < 4; ++step) {
    const Fresh fresh;
    install();
    all_sizes = with("always never", "always");
    refuse(&calls.open, EMFILE);
    nth = step;
    assert_true(good(Pages::automatic, false, false));
    assert_int_equal(counted, 3);
    assert_true(uses("memfd_thp"));
  }
}

// Whatever fails for good, a segment is to be had, and nothing is left open.
void any_refusal_leads_to_a_file(void **) {
  for (const bool inside : {false, true}) {
    for (const int error : {EPERM, ENOSYS, EACCES, ENOSPC, EINVAL}) {
      for (long step = 1;; ++step) {
        const Fresh fresh;
        install();
        forbid_direct = inside;
        nth = step;
        with_error = error;
        for (const bool sealed : {false, true}) {
          auto made = make_segment_file("shmalloc test", Pages::automatic, sealed);
          if (!made) fail_msg("step %ld: %s", step, made.error().message);
          assert_true(!sealed || made->sealable);
        }
        if (counted < step) break;
      }
    }
  }
}

void descriptors_are_used_up(void **) {
  if (!may_mount()) skip();
  const Fresh fresh;
  install();
  struct rlimit before, none;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 3;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto file = make_segment_file("shmalloc test", Pages::automatic, false);
  const bool made = static_cast<bool>(file);
  const int error = made ? 0 : file.error().os_error;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_false(made);
  assert_int_equal(error, EMFILE);
  assert_true(uses("tmpfs"));
}

// Filters of services kill for mount calls. The child is killed then, we are not.
bool filter(long number, unsigned action) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog all = {sizeof program / sizeof *program, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0;
}
void filters_that_kill_do_not_kill_us(void **) {
  if (!may_mount()) skip();
  const struct {
    long number;
    unsigned action;
    const char *word;
  } kCases[] = {
      {SYS_fsopen, SECCOMP_RET_KILL_PROCESS, "killed"},
      {SYS_fsconfig, SECCOMP_RET_KILL_PROCESS, "killed"},
      {SYS_fsopen, SECCOMP_RET_ERRNO | EPERM, "fsopen"},
      {SYS_unshare, SECCOMP_RET_ERRNO | EPERM, nullptr},  // Not needed by who may mount.
      {SYS_uname, SECCOMP_RET_ERRNO | EPERM, nullptr},    // A filter that has nothing to do with us.
  };
  forget_pages();
  for (const auto &one : kCases) {
    IN_CHILD({
      const int before = count_directory("/proc/self/fd", "");
      install();
      const struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      if (!filter(one.number, one.action)) _exit(0);
      const bool huge = one.word == nullptr && (one.number != SYS_unshare || geteuid() == 0);
      CHILD_CHECK(good(Pages::automatic, false, huge));
      CHILD_CHECK((clone_flags & CLONE_VFORK) != 0 && (clone_flags & CLONE_VM) == 0);
      if (one.word != nullptr) CHILD_CHECK(says(1, one.word));
      CHILD_CHECK(waitpid(-1, nullptr, WNOHANG | __WALL) == -1 && errno == ECHILD);
      CHILD_CHECK(count_directory("/proc/self/fd", "") == before + (huge ? 1 : 0));
      sigset_t blocked;
      sigprocmask(SIG_BLOCK, nullptr, &blocked);
      CHILD_CHECK(sigismember(&blocked, SIGTERM) == 0);
    });
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_machines_words_are_obeyed),
      cmocka_unit_test(other_sizes_of_huge_pages_are_not_used),
      cmocka_unit_test(who_may_not_mount_tries_a_namespace),
      cmocka_unit_test(refusals_are_told_and_remembered),
      cmocka_unit_test(what_may_pass_is_tried_again),
      cmocka_unit_test(any_refusal_leads_to_a_file),
      cmocka_unit_test(a_setting_that_was_not_read_is_read_again),
      cmocka_unit_test(descriptors_are_used_up),
      cmocka_unit_test(filters_that_kill_do_not_kill_us),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
