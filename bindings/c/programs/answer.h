/* The one line that answers an order, and how calls end it early: a call that fails writes the answer and returns from the order. */
#ifndef SHMALLOC_C_PROGRAMS_ANSWER_H
#define SHMALLOC_C_PROGRAMS_ANSWER_H

#include <shmalloc.h>
#include <stdio.h>

#define CALL(...)                                                                   \
  do {                                                                              \
    shmalloc_error error_, *err = &error_;                                          \
    if ((__VA_ARGS__) != SHMALLOC_STATUS_OK) {                                      \
      printf("error %s %s\n", shmalloc_status_name(error_.status), error_.message); \
      return;                                                                       \
    }                                                                               \
  } while (0)

#define REFUSE(...)                       \
  do {                                    \
    printf("error UNKNOWN " __VA_ARGS__); \
    puts("");                             \
    return;                               \
  } while (0)

#endif
