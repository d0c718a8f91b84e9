/* Children for the tests of fork: forked with what they are to keep, and told when to look. */
#ifndef SHMALLOC_TESTS_C_SHARED_FORK_H
#define SHMALLOC_TESTS_C_SHARED_FORK_H

#include "shared.h"

/* A child that waits for words: 'c' checks what it inherited, 'e' ends. */
struct child {
  pid_t pid;
  int socket;
};
static shmalloc_storage *inherited;
static unsigned inherited_seed;

static inline struct child fork_one(void (*body)(int socket)) {
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  fflush(NULL);
  const pid_t pid = fork();
  if (pid < 0) abort();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(100);
    close(ends[0]);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  return (struct child){pid, ends[0]};
}
static inline void check_when_told(int socket) {
  char word;
  while (hear(socket, &word, 1) && word != 'e') {
    CHILD_CHECK(intact(inherited, inherited_seed));
    signal_peer(socket);
  }
}
static inline void ask(struct child child) {
  tell(child.socket, "c", 1);
  await_peer(child.socket);
}
static inline void end_child(struct child child) {
  int status = 0;
  tell(child.socket, "e", 1);
  while (waitpid(child.pid, &status, 0) < 0) {
  }
  close(child.socket);
  assert_int_equal(status, 0);
}
static inline void kill_child(struct child child) {
  kill(child.pid, SIGKILL);
  waitpid(child.pid, NULL, 0);
  close(child.socket);
}

/* Storages of this size, each over whatever is free. */
static inline void use_all_over(shmalloc_allocator *allocator, size_t size) {
  shmalloc_storage *made[100];
  for (unsigned i = 0; i < 100; ++i) made[i] = make_filled(allocator, size, 1000 + i);
  for (int i = 0; i < 100; ++i) shmalloc_storage_release(made[i]);
}

#endif
