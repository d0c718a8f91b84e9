/* What tests of devices need: a device, and a gate that holds a stream up until the test lets it go on. */
#ifndef SHMALLOC_TESTS_DEVICES_H
#define SHMALLOC_TESTS_DEVICES_H

#include <dlfcn.h>
#include <semaphore.h>

#include "support.h"

/* A test may be compiled for another one. */
#ifndef DEVICE
#define DEVICE SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_HOST_STREAMS, 0)
#endif

/* At the end of a group: the simulated driver, where that is what runs, saw no race, no use of what is freed and the like. */
static inline int no_mistakes(void **state) {
  (void)state;
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  unsigned long long (*mistakes)(const char *kind) = NULL;
  if (driver == NULL) return 0;
  *(void **)&mistakes = dlsym(driver, "sim_mistakes");
  const unsigned long long count = mistakes != NULL ? mistakes(NULL) : 0;
  dlclose(driver);
  return count != 0;
}

/* Whether the host may touch the device's memory. */
static inline int host_access(void) {
  shmalloc_device_info info = SHMALLOC_INIT(shmalloc_device_info);
  OK(shmalloc_device_get_info(DEVICE, &info, err));
  return (info.capabilities & SHMALLOC_CAPABILITY_HOST_ACCESS) != 0;
}

struct gate {
  sem_t reached, open;
};

static inline void wait_at_gate(void *of) {
  struct gate *gate = of;
  sem_post(&gate->reached);
  while (sem_wait(&gate->open) != 0) {
  }
}

/* From here on nothing on the stream is done until open_gate. */
static inline void close_gate(struct gate *gate, shmalloc_stream stream) {
  sem_init(&gate->reached, 0, 0);
  sem_init(&gate->open, 0, 0);
  OK(shmalloc_stream_call(DEVICE, stream, wait_at_gate, gate, err));
  while (sem_wait(&gate->reached) != 0) {
  }
}

static inline void open_gate(struct gate *gate) { sem_post(&gate->open); }

static inline shmalloc_stream make_stream(void) {
  shmalloc_stream stream = 0;
  OK(shmalloc_stream_create(DEVICE, &stream, err));
  return stream;
}

/* All work of the stream is done, and it is gone. */
static inline void end_stream(shmalloc_stream stream) {
  OK(shmalloc_stream_synchronize(DEVICE, stream, err));
  OK(shmalloc_stream_destroy(DEVICE, stream, err));
}

static inline shmalloc_allocator *make_caching(shmalloc_device device, const char *config) {
  shmalloc_allocator_params params = SHMALLOC_INIT(shmalloc_allocator_params);
  shmalloc_allocator *allocator = NULL;
  params.device = device;
  params.kind = SHMALLOC_ALLOCATOR_KIND_CACHING;
  params.config = config;
  OK(shmalloc_allocator_create(&params, &allocator, err));
  return allocator;
}

static inline shmalloc_statistics statistics_of(shmalloc_allocator *allocator) {
  shmalloc_statistics statistics = SHMALLOC_INIT(shmalloc_statistics);
  OK(shmalloc_allocator_get_statistics(allocator, &statistics, err));
  return statistics;
}

#endif
