/* The little of cmocka that the tests of GPUs use, for machines that have a compiler and nothing else. In the tests elsewhere it is cmocka. */
#ifndef SHMALLOC_TESTS_BARE_CMOCKA_H
#define SHMALLOC_TESTS_BARE_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*CMFixtureFunction)(void **state);
struct CMUnitTest {
  const char *name;
  void (*test_func)(void **state);
  CMFixtureFunction setup_func, teardown_func;
  void *initial_state;
};
#define cmocka_unit_test(function) \
  { #function, function, NULL, NULL, NULL }

static jmp_buf bare_failed;

__attribute__((format(printf, 3, 4), noreturn)) static inline void bare_fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("# %s:%d: ", file, line);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  longjmp(bare_failed, 1);
}

static inline void bare_equal(const char *file, int line, uint64_t a, uint64_t b, int wanted) {
  if ((a == b) != wanted) bare_fail(file, line, "%#llx and %#llx", (unsigned long long)a, (unsigned long long)b);
}

#define fail_msg(...) bare_fail(__FILE__, __LINE__, __VA_ARGS__)
#define print_message(...) printf("# " __VA_ARGS__)
#define skip() return
#define assert_true(condition) ((condition) ? (void)0 : bare_fail(__FILE__, __LINE__, "%s", #condition))
#define assert_false(condition) assert_true(!(condition))
#define assert_int_equal(a, b) bare_equal(__FILE__, __LINE__, (uint64_t)(a), (uint64_t)(b), 1)
#define assert_int_not_equal(a, b) bare_equal(__FILE__, __LINE__, (uint64_t)(a), (uint64_t)(b), 0)
#define assert_ptr_equal(a, b) bare_equal(__FILE__, __LINE__, (uintptr_t)(a), (uintptr_t)(b), 1)
#define assert_ptr_not_equal(a, b) bare_equal(__FILE__, __LINE__, (uintptr_t)(a), (uintptr_t)(b), 0)
#define assert_null(a) bare_equal(__FILE__, __LINE__, (uintptr_t)(a), 0, 1)
#define assert_non_null(a) bare_equal(__FILE__, __LINE__, (uintptr_t)(a), 0, 0)
#define assert_string_equal(a, b) (strcmp(a, b) == 0 ? (void)0 : bare_fail(__FILE__, __LINE__, "\"%s\" and \"%s\"", a, b))
#define assert_memory_equal(a, b, size) \
  (memcmp(a, b, size) == 0 ? (void)0 : bare_fail(__FILE__, __LINE__, "%s and %s differ", #a, #b))

static inline int bare_run(const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup, CMFixtureFunction teardown) {
  void *group = NULL;
  int failed = 0;
  printf("1..%zu\n", count);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (setup != NULL && setup(&group) != 0) return 1;
  for (size_t i = 0; i < count; ++i) {
    void *state = tests[i].initial_state != NULL ? tests[i].initial_state : group;
    int good = 0;
    if (setjmp(bare_failed) == 0) {
      tests[i].test_func(&state);
      good = 1;
    }
    failed += !good;
    printf("%s %zu - %s\n", good ? "ok" : "not ok", i + 1, tests[i].name);
  }
  if (teardown != NULL && teardown(&group) != 0) ++failed;
  return failed;
}
#define _cmocka_run_group_tests(name, tests, count, setup, teardown) bare_run(tests, count, setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) bare_run(tests, sizeof(tests) / sizeof(tests)[0], setup, teardown)

#endif
