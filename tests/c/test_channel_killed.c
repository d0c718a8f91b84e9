/* Channels whose users are killed: at random instants, and, built with the steps of the protocol to die at (tests/kill), at each of them. */
#include "channel.h"

/* Where a child dies by itself. */
static int steps_left;         /* 0: never */
static unsigned patience = 20; /* seconds; a mistake that ends in waiting needs fewer */

#ifdef SHMALLOC_KILL_POINTS
int shmalloc_mutant; /* which mistake: src/cpp/allocators/shared/steps.hpp */
void shmalloc_kill_point(void);
void shmalloc_kill_point(void) {
  if (steps_left > 0 && --steps_left == 0) raise(SIGKILL);
}
#endif
static void may_die(uint32_t seed) {
  unsigned state = seed;
  const int far = (int)(rand_r(&state) % 4);
  steps_left = 1 + (int)(rand_r(&state) % (far == 0 ? 8 : 600));
}

static int rounds(void) {
  const char *text = getenv("SHMALLOC_KILLS");
  return text != NULL ? atoi(text) : 40;
}

/* Dies at one step after the other while it takes a storage. Whatever has happened until then, the storage comes again, unless it was taken
 * out of the channel: then a few steps are left until it is noted. */
static void a_taker_dies_at_each_step(void **state) {
  (void)state;
  enum { MANY = 40 };
  int came_again = 0, lost = 0, died = 1;
  for (int step = 1; died && step < MANY; ++step) {
    shmalloc_allocator *pool = make_pool();
    shmalloc_channel *channel = make_channel(8);
    struct note note;
    shmalloc_status end = SHMALLOC_STATUS_OK;
    send_note(channel, pool, 0, 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      alarm(patience);
      steps_left = step;
      _exit(receive_note(channel, &note, &end) == 1 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    died = WIFSIGNALED(status);
    assert_int_equal(status, died ? SIGKILL : 0);
    alarm(patience);
    OK(shmalloc_channel_close(channel, err));
    const int again = receive_note(channel, &note, &end);
    if (died) ++*(again ? &came_again : &lost);
    if (!died) assert_false(again);
    shmalloc_channel_release(channel);
    shmalloc_allocator_release(pool);
    alarm(0);
  }
  printf("# %d deaths: it came again after %d of them\n", came_again + lost, came_again);
  assert_false(died);
#ifdef SHMALLOC_KILL_POINTS
  assert_true(came_again > lost); /* it is taken out at the end of many steps */
#endif
}

/* Producers are killed anywhere in the middle: what comes is right, comes once, and in order; and nothing hangs. */
static void producers_are_killed(void **state) {
  (void)state;
  unsigned seed = 7;
  for (int round = 0; round < rounds(); ++round) {
    shmalloc_channel *channel = make_channel(8);
    pid_t children[2];
    fflush(NULL);
    for (uint32_t i = 0; i < 2; ++i) {
      children[i] = fork();
      assert_true(children[i] >= 0);
      if (children[i] == 0) {
        shmalloc_allocator *pool = make_pool();
        may_die((uint32_t)round * 2 + i);
        for (uint32_t n = 0;; ++n) send_note(channel, pool, i, n);
      }
    }
    struct note note;
    shmalloc_status end;
    uint32_t next[2] = {0, 0};
    const int kill_at = (int)(rand_r(&seed) % 400);
    alarm(patience); /* Who waits for the dead waits for ever. */
    for (int n = 0; receive_note(channel, &note, &end); ++n) {
      assert_true(note.producer < 2 && note.number >= next[note.producer]);
      next[note.producer] = note.number + 1;
      if (n == kill_at || n == kill_at + 200) {
        for (int spin = (int)(rand_r(&seed) % 20000); spin > 0; --spin) __asm__ volatile("");
        kill(children[n == kill_at ? 0 : 1], SIGKILL);
      }
    }
    assert_int_equal(end, SHMALLOC_STATUS_PEER_GONE);
    /* The one may have died before the other had come. */
    for (int i = 0; i < 2; ++i) kill(children[i], SIGKILL);
    for (int i = 0; i < 2; ++i) assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    while (receive_note(channel, &note, &end)) {
      assert_true(note.producer < 2 && note.number >= next[note.producer]);
      next[note.producer] = note.number + 1;
    }
    assert_int_equal(end, SHMALLOC_STATUS_PEER_GONE);
    alarm(0);
    shmalloc_channel_info info = SHMALLOC_INIT(shmalloc_channel_info);
    OK(shmalloc_channel_get_info(channel, &info, err));
    assert_int_equal(info.length, 0);
    assert_int_equal(info.attached, 1);
    shmalloc_channel_release(channel);
  }
}

/* Consumers are killed: each storage comes to one of them, or comes again, or died with one that had just taken it. */
static void consumers_are_killed(void **state) {
  (void)state;
  unsigned seed = 11;
  patient = 1;
  for (int round = 0; round < rounds(); ++round) {
    enum { COUNT = 1500 };
    shmalloc_allocator *pool = make_pool();
    shmalloc_channel *channel = make_channel(8);
    uint32_t *seen = mmap(NULL, COUNT * sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    alarm(patience);
    /* The third comes when the first is dead, perhaps at his place before anybody has noticed. */
    pid_t children[3] = {0, 0, 0};
    const uint32_t kill_at = rand_r(&seed) % 1000;
    int status = 0;
    for (uint32_t n = 0; n < COUNT; ++n) {
      if (n == 0 || n == kill_at + 200) {
        for (uint32_t i = n == 0 ? 0 : 2; i < (n == 0 ? 2 : 3); ++i) {
          fflush(NULL);
          children[i] = fork();
          assert_true(children[i] >= 0);
          if (children[i] != 0) continue;
          struct note note;
          shmalloc_status end;
          alarm(patience);
          if (i == 0) may_die((uint32_t)round);
          while (receive_note(channel, &note, &end)) __atomic_fetch_add(&seen[note.number], 1, __ATOMIC_SEQ_CST);
          _exit(end == SHMALLOC_STATUS_CLOSED ? 0 : 1);
        }
      }
      send_note(channel, pool, 0, n);
      if (n == kill_at) {
        for (int spin = (int)(rand_r(&seed) % 20000); spin > 0; --spin) __asm__ volatile("");
        kill(children[0], SIGKILL);
        assert_int_equal(waitpid(children[0], &status, 0), children[0]);
      }
    }
    OK(shmalloc_channel_close(channel, err));
    for (int i = 1; i < 3; ++i) {
      assert_int_equal(waitpid(children[i], &status, 0), children[i]);
      assert_int_equal(status, 0);
    }
    int missing = 0;
    for (int n = 0; n < COUNT; ++n) {
      assert_true(seen[n] <= 1);
      missing += seen[n] == 0;
    }
    /* Those that the dead had taken and not noted yet: none, if he died at a step before he had it. */
    assert_true(missing <= 1);
    munmap(seen, COUNT * sizeof *seen);
    shmalloc_channel_release(channel);
    /* Nothing that the dead held is left. */
    uint64_t bytes = 0;
    OK(shmalloc_allocator_trim(pool, SHMALLOC_TRIM_FREE, 0, &bytes, err));
    shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
    OK(shmalloc_allocator_get_info(pool, &info, err));
    assert_int_equal(info.live_storages, 0);
    shmalloc_allocator_release(pool);
  }
  patient = 0;
  alarm(0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_taker_dies_at_each_step), cmocka_unit_test(producers_are_killed),
                                     cmocka_unit_test(consumers_are_killed)};
#ifdef SHMALLOC_KILL_POINTS
  if (argc > 2 && strcmp(argv[1], "mutant") == 0) { /* the first that finds it is enough */
    const struct CMUnitTest first[] = {tests[0]};
    shmalloc_mutant = atoi(argv[2]);
    patience = 6;
    if (cmocka_run_group_tests(first, NULL, NULL) != 0) return 1;
  }
#else
  (void)argc, (void)argv;
#endif
  return cmocka_run_group_tests(tests, NULL, NULL);
}
