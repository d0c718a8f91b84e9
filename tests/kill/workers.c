/* Those who live until they are killed: each owns, imports, passes on, forks, in a random order. */
#include "world.h"

enum { kOwn = 12, kHeld = 10 };

struct self {
  struct random random;
  shmalloc_allocator *allocator;
  shmalloc_storage *own[kOwn];
  shmalloc_storage *held[kHeld];
  uint64_t own_ids[kOwn], held_ids[kHeld];
};

static size_t some_size(struct random *random) {
  static const size_t sizes[] = {64, 64, 640, 640, 640, 4096, 4096, 20000, 70000, 300000};
  return below(random, 200) == 0 ? (size_t)3 << 20 : sizes[below(random, sizeof sizes / sizeof *sizes)];
}

static void publish(struct self *self, shmalloc_storage *storage, uint64_t id) {
  struct entry entry;
  memset(&entry, 0, sizeof entry);
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = below(&self->random, 20) == 0 ? 3000000 : SHMALLOC_TIME_NONE;
  entry.id = id;
  size_t length = sizeof entry.bytes;
  OK(shmalloc_storage_export(storage, &params, entry.bytes, &length, err));
  entry.length = length;
  entry.sum = sum_of(&entry);
  memcpy(&world->entries[below(&self->random, kEntries)], &entry, sizeof entry);
}

static void make_one(struct self *self, unsigned at) {
  const size_t size = some_size(&self->random);
  OK(shmalloc_storage_create(self->allocator, size, 0, NULL, &self->own[at], err));
  self->own_ids[at] = next(&self->random);
  write_pattern(self->own[at], self->own_ids[at]);
  atomic_fetch_add(&world->made, 1);
}

static void release_own(struct self *self, unsigned at) {
  if (self->own[at] == NULL) return;
  if (!pattern_is(self->own[at], self->own_ids[at])) wrong(__LINE__, "an owner's storage was written over");
  shmalloc_storage_release(self->own[at]);
  self->own[at] = NULL;
}

static void release_held(struct self *self, unsigned at) {
  if (self->held[at] == NULL) return;
  if (!pattern_is(self->held[at], self->held_ids[at])) wrong(__LINE__, "a held storage was written over");
  shmalloc_storage_release(self->held[at]);
  self->held[at] = NULL;
}

/* What may happen to who opens a handle that anybody left in the table. */
static int acceptable(int status) {
  return status == SHMALLOC_STATUS_STALE || status == SHMALLOC_STATUS_PEER_GONE || status == SHMALLOC_STATUS_NOT_FOUND ||
         status == SHMALLOC_STATUS_NO_SPACE;
}

static void import_one(struct self *self, unsigned at) {
  struct entry entry;
  memcpy(&entry, &world->entries[below(&self->random, kEntries)], sizeof entry);
  if (entry.length == 0 || entry.sum != sum_of(&entry)) return;
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  shmalloc_error err = {0};
  if (below(&self->random, 8) == 0) params.flags = SHMALLOC_IMPORT_READ_ONLY;
  release_held(self, at);
  const int status = shmalloc_storage_import(entry.bytes, entry.length, NULL, 0, &params, &self->held[at], &err);
  if (status != SHMALLOC_STATUS_OK) {
    if (!acceptable(status)) wrong(__LINE__, "import: %s: %s", shmalloc_status_name(status), err.message);
    atomic_fetch_add(&world->stale, 1);
    self->held[at] = NULL;
    return;
  }
  self->held_ids[at] = entry.id;
  if (!pattern_is(self->held[at], entry.id)) wrong(__LINE__, "what was imported is something else");
  atomic_fetch_add(&world->imports, 1);
}

static int writable(shmalloc_storage *storage) {
  shmalloc_storage_info info = SHMALLOC_INIT(shmalloc_storage_info);
  OK(shmalloc_storage_get_info(storage, &info, err));
  return (info.state & SHMALLOC_STORAGE_STATE_READ_ONLY) == 0;
}

static void send_one(struct self *self, shmalloc_storage *storage) {
  shmalloc_error err = {0};
  shmalloc_export_params params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = 3000000;
  const int status = shmalloc_storage_send(world->sockets[0], &storage, 1, &params, &err);
  if (status != SHMALLOC_STATUS_OK && status != SHMALLOC_STATUS_TIMEOUT)
    wrong(__LINE__, "send: %s: %s", shmalloc_status_name(status), err.message);
  (void)self;
}

static void receive_one(struct self *self, unsigned at) {
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  shmalloc_error err = {0};
  size_t count = 1;
  params.timeout_ns = SHMALLOC_TIME_NONE;
  release_held(self, at);
  const int status = shmalloc_storage_receive(world->sockets[1], &params, &self->held[at], &count, &err);
  if (status != SHMALLOC_STATUS_OK) {
    if (!acceptable(status) && status != SHMALLOC_STATUS_TIMEOUT)
      wrong(__LINE__, "receive: %s: %s", shmalloc_status_name(status), err.message);
    self->held[at] = NULL;
    return;
  }
  self->held_ids[at] = id_in(self->held[at]);
  if (!pattern_is(self->held[at], self->held_ids[at])) wrong(__LINE__, "what was received is damaged");
}

/* A child has all that its parent has, until it lets go of it, or is killed with nobody knowing when. */
static void fork_one(struct self *self) {
  if (atomic_load(&world->stopping)) return;
  const uint64_t seed = next(&self->random);
  const pid_t first = fork();
  if (first < 0) return;
  if (first != 0) {
    if (below(&self->random, 2) == 0) waitpid(first, NULL, 0);
    return;
  }
  begin_process(1, seed);
  self->random.state = seed;
  atomic_fetch_add(&world->forks, 1);
  for (unsigned left = 5 + below(&self->random, 30); left > 0; --left) {
    for (unsigned i = 0; i < kOwn; ++i) {
      if (self->own[i] != NULL && !pattern_is(self->own[i], self->own_ids[i]))
        wrong(__LINE__, "what a child inherited was written over");
    }
    for (unsigned i = 0; i < kHeld; ++i) {
      if (self->held[i] != NULL && !pattern_is(self->held[i], self->held_ids[i]))
        wrong(__LINE__, "what a child inherited of an import was written over");
    }
    const unsigned at = below(&self->random, kHeld);
    switch (below(&self->random, 8)) {
      case 0:
        release_held(self, at);
        break;
      case 1:
        shmalloc_storage_release(self->own[at]);
        self->own[at] = NULL;
        break;
      case 2:
        if (below(&self->random, 16) == 0) fork_one(self);
        break;
      case 3:
        usleep(below(&self->random, 500));
        break;
      default:
        import_one(self, at);
    }
  }
  if (below(&self->random, 3) == 0) kill(getpid(), SIGKILL);
  _exit(0);
}

static void one_step(struct self *self) {
  const unsigned own = below(&self->random, kOwn), held = below(&self->random, kHeld);
  switch (below(&self->random, 32)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
      release_own(self, own);
      make_one(self, own);
      if (below(&self->random, 4) != 0) publish(self, self->own[own], self->own_ids[own]);
      break;
    case 7:
      if (self->own[own] != NULL) OK(shmalloc_storage_revoke(self->own[own], err));
      break;
    case 8:
      if (self->own[own] != NULL) send_one(self, self->own[own]);
      break;
    case 9:
      if (self->held[held] != NULL && writable(self->held[held])) send_one(self, self->held[held]);
      break;
    case 10:
    case 11:
      receive_one(self, held);
      break;
    case 12:
      if (self->held[held] != NULL && writable(self->held[held])) publish(self, self->held[held], self->held_ids[held]);
      break;
    case 13:
    case 14:
    case 15:
      release_held(self, held);
      break;
    case 16:
      if (below(&self->random, 8) == 0) fork_one(self);
      break;
    case 17:
      if (below(&self->random, 4) == 0)
        OK(shmalloc_allocator_trim(below(&self->random, 2) == 0 ? NULL : self->allocator, 0, 0, NULL, err));
      break;
    case 18:
      usleep(below(&self->random, 200));
      break;
    default:
      import_one(self, held);
  }
}

static void release_all(struct self *self) {
  for (unsigned i = 0; i < kOwn; ++i) release_own(self, i);
  for (unsigned i = 0; i < kHeld; ++i) release_held(self, i);
}

static void new_allocator(struct self *self) {
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  params.kind = SHMALLOC_ALLOCATOR_KIND_SHARED;
  params.config = below(&self->random, 2) == 0 ? "segment_size:67108864,growth:4194304,watermark:8388608,export_ttl_ms:2"
                                               : "segment_size:8388608,watermark:0,pages:small,sealed:1,export_ttl_ms:2";
  OK(shmalloc_allocator_create(&params, &self->allocator, err));
}

static void *second_thread(void *argument) {
  struct self *self = argument;
  while (!atomic_load(&world->stopping)) one_step(self);
  release_all(self);
  return NULL;
}

void run_worker(uint64_t seed) {
  struct self self = {.random = {seed}}, other = {.random = {~seed}};
  pthread_t thread;
  const int threaded = below(&self.random, 4) == 0;
  new_allocator(&self);
  other.allocator = self.allocator;
  if (threaded) pthread_create(&thread, NULL, second_thread, &other);
  while (!atomic_load(&world->stopping)) {
    one_step(&self);
    if (!threaded && below(&self.random, 2000) == 0) { /* its segments end while others hold what lies in them */
      for (unsigned i = 0; i < kOwn; ++i) release_own(&self, i);
      shmalloc_allocator_release(self.allocator);
      new_allocator(&self);
    }
  }
  release_all(&self);
  if (threaded) pthread_join(thread, NULL);
  shmalloc_allocator_release(self.allocator);
  OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
  _exit(0);
}

/* ---- the owner that is never killed ---- */

int nothing_is_held(char *text, size_t room);
int segments_here(void);

void run_survivor(int socket) {
  struct self self = {.random = {world->seed ^ 0x5afe}};
  char word;
  new_allocator(&self);
  for (;;) {
    while (!atomic_load(&world->accounting)) one_step(&self);
    /* All others have ended. An anchor keeps the segment, so that what is in its table can be looked at. */
    char text[256] = "";
    release_all(&self);
    make_one(&self, 0);
    for (shmalloc_storage *left = NULL;; left = NULL) { /* what nobody took from the socket */
      size_t count = 1;
      shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
      shmalloc_error err = {0};
      params.timeout_ns = SHMALLOC_TIME_NONE;
      if (shmalloc_storage_receive(world->sockets[1], &params, &left, &count, &err) == SHMALLOC_STATUS_TIMEOUT) break;
      shmalloc_storage_release(left);
    }
    usleep(20000); /* until no export lingers */
    int good = 0;
    for (int tries = 0; tries < 1000 && !good; ++tries) {
      OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
      good = nothing_is_held(text, sizeof text);
      if (!good) usleep(2000);
    }
    if (!good) wrong(__LINE__, "something is held though all others have ended: %s", text);
    release_own(&self, 0);
    OK(shmalloc_allocator_trim(NULL, 0, 0, NULL, err));
    shmalloc_allocator_info info = SHMALLOC_INIT(shmalloc_allocator_info);
    OK(shmalloc_allocator_get_info(self.allocator, &info, err));
    if (info.live_storages != 0 || info.live_bytes != 0)
      wrong(__LINE__, "%lu storages are live", (unsigned long)info.live_storages);
    if (segments_here() != 0) wrong(__LINE__, "%d segments are left", segments_here());
    CHECK(write(socket, "!", 1) == 1);
    if (read(socket, &word, 1) != 1) _exit(0);
  }
}
