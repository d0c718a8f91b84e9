/* Kind SHARED under SIGKILL: owners, importers and those who pass on are killed at random instants and at every step of the protocol, and
 * replaced, again and again. Every pattern stays intact for whoever holds it, nobody ends by himself, and in the end nothing is held.
 * In the environment:
 *     SHMALLOC_KILLS   how many (1000; 300 with a sanitizer)
 *     SHMALLOC_SEED    the random numbers of a run that is to be repeated
 * With the arguments `mutant` and a number the protocol has that mistake, and not to find it is the failure. */
#include <stdarg.h>

#include "world.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct world *world;

/* ---- dying at a step ---- */

int shmalloc_mutant;          /* which mistake: src/cpp/allocators/shared/steps.hpp */
static atomic_int steps_left; /* 0: never */
static _Thread_local struct random pauses;

void shmalloc_kill_point(void);
void shmalloc_kill_point(void) {
  if (atomic_load_explicit(&steps_left, memory_order_relaxed) > 0 && atomic_fetch_sub(&steps_left, 1) == 1) {
    atomic_fetch_add(&world->ended_by_step, 1);
    kill(getpid(), SIGKILL);
  }
  if (pauses.state == 0) pauses.state = mix((uint64_t)getpid());
  const unsigned chance = below(&pauses, 256); /* others get their chance between any two steps */
  if (chance < 4) sched_yield();
  if (chance == 4) usleep(below(&pauses, 150));
}

void wrong(int line, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "# line %d, process %d: %s\n", line, getpid(), text);
  atomic_fetch_add(&world->failures, 1);
  _exit(1);
}

static void crashed(int number) {
  dprintf(STDERR_FILENO, "# process %d: signal %d\n", getpid(), number);
  atomic_fetch_add(&world->failures, 1);
  _exit(1);
}

void begin_process(int may_die, uint64_t seed) {
  static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
  struct random random = {seed ^ 0xdead};
  for (size_t i = 0; i < sizeof caught / sizeof *caught; ++i) signal(caught[i], crashed);
  alarm(200);
  atomic_store(&steps_left, may_die && below(&random, 2) == 0 ? 1 + (int)below(&random, below(&random, 2) == 0 ? 60 : 3000) : 0);
}

/* ---- the one that kills ---- */

static struct {
  pid_t pid[kMostWorkers];
  int count;
} workers;
static struct random chances;
static pid_t survivor;

static void spawn(void) {
  const uint64_t seed = next(&chances);
  const pid_t pid = fork();
  if (pid < 0) return;
  if (pid == 0) {
    begin_process(1, seed);
    run_worker(seed);
  }
  workers.pid[workers.count++] = pid;
}

/* Takes note of the dead; how many workers were killed. Others are children of the dead. */
static int reap(int wait) {
  int killed = 0, status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, wait ? 0 : WNOHANG)) > 0;) {
    if (pid == survivor) {
      survivor = 0;
      atomic_fetch_add(&world->failures, 1);
      break;
    }
    for (int i = 0; i < workers.count; ++i) {
      if (workers.pid[i] != pid) continue;
      workers.pid[i] = workers.pid[--workers.count];
      killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      break;
    }
    if (wait) break;
  }
  return killed;
}

static int children_left(void) { /* but for the survivor */
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", getpid(), getpid());
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  int count = 0;
  for (ssize_t i = 0; i < got; ++i) count += text[i] == ' ';
  return count - (survivor != 0);
}

static void pause_for(unsigned microseconds) {
  const struct timespec time = {0, (long)microseconds * 1000};
  nanosleep(&time, NULL);
}

static void end_workers(void) {
  for (int i = 0; i < workers.count; ++i) {
    if (below(&chances, 2) == 0) kill(workers.pid[i], SIGKILL);
  }
  atomic_store(&world->stopping, 1);
  for (int tries = 0; children_left() > 0; ++tries) {
    reap(0);
    pause_for(500);
    if (tries == 100000) wrong(__LINE__, "processes do not end");
  }
  workers.count = 0;
}

int main(int argc, char **argv) {
  const int mutant = argc > 2 && strcmp(argv[1], "mutant") == 0;
  if (mutant) shmalloc_mutant = atoi(argv[2]);
  const char *text = getenv("SHMALLOC_KILLS"), *seed = getenv("SHMALLOC_SEED");
  const int wanted = mutant ? 10000 : text != NULL ? atoi(text) : SANITIZED ? 300 : 1000;
  static const int crowds[] = {4, 10, 17, 68};
  int ends[2], kills = 0, last_account = 0;
  char word;
  world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (world == MAP_FAILED) return 2;
  world->seed = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
  printf("SHMALLOC_SEED=%llu SHMALLOC_KILLS=%d\n", (unsigned long long)world->seed, wanted);
  fflush(stdout);
  chances.state = world->seed;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, world->sockets) != 0) return 2;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 2;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  survivor = fork();
  if (survivor == 0) {
    begin_process(0, 0);
    alarm(0);
    close(ends[0]);
    run_survivor(ends[1]);
  }
  close(ends[1]);
  struct timespec begun, ended;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (int phase = 0; kills < wanted && atomic_load(&world->failures) == 0; ++phase) {
    const int crowd = phase % 12 == 11 ? crowds[3] : crowds[phase % 3];
    for (int until = kills + 150; kills < until && kills < wanted && atomic_load(&world->failures) == 0;) {
      while (workers.count < crowd) spawn();
      kills += reap(0);
      if (below(&chances, 2) == 0 && workers.count > 0) kill(workers.pid[below(&chances, (unsigned)workers.count)], SIGKILL);
      pause_for(below(&chances, below(&chances, 4) == 0 ? 3000 : 300));
    }
    end_workers();
    if (atomic_load(&world->failures) != 0) break;
    atomic_store(&world->accounting, 1);
    if (read(ends[0], &word, 1) != 1) atomic_fetch_add(&world->failures, 1); /* it has told why */
    atomic_store(&world->accounting, 0);
    atomic_store(&world->stopping, 0);
    if (write(ends[0], "!", 1) != 1) break;
    last_account = kills;
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  const int found = atomic_load(&world->failures) != 0;
  const double seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
  printf("%d kills (%lu of them at a step, of forked ones too) in %.1f s: %lu storages, %lu imports, %lu refused, %lu forks. %s\n",
         kills, (unsigned long)atomic_load(&world->ended_by_step), seconds, (unsigned long)atomic_load(&world->made),
         (unsigned long)atomic_load(&world->imports), (unsigned long)atomic_load(&world->stale),
         (unsigned long)atomic_load(&world->forks), found ? "Something is WRONG, see above" : "All intact, nothing left");
  (void)last_account;
  if (survivor != 0) kill(survivor, SIGKILL);
  for (int i = 0; i < workers.count; ++i) kill(workers.pid[i], SIGKILL);
  close(ends[0]);
  if (mutant) printf(found ? "The mistake was found.\n" : "The mistake was NOT found.\n");
  return found == mutant ? 0 : 1;
}
