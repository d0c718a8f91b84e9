/* What the simulator's libcuda.so.1 has beyond the driver's functions. Tests find them with dlsym; a real driver has none of them. */
#ifndef SHMALLOC_TESTS_SIM_H
#define SHMALLOC_TESTS_SIM_H

#ifdef __cplusplus
extern "C" {
#endif

/* Options as in SHMALLOC_SIM_OPTIONS (README.md); those not named stay. 0, or -1 and a line on stderr. The devices and their memory can't
   change any more after cuInit. Counting for `fail` begins anew. */
int sim_configure(const char *options);

/* Counts of calls and mistakes, the order's digest, faults and lasting errors are forgotten. */
void sim_reset(void);

/* Calls by name without a version suffix; NULL: all. */
unsigned long long sim_calls(const char *name);

/* Mistakes found: race, use_after_free, busy_free, bad_handle; NULL: all. */
unsigned long long sim_mistakes(const char *kind);

/* Calls that were made to fail. */
unsigned long long sim_injected(void);

/* What this process has not given back: context, stream, event, memory, reservation, physical, graph; NULL: all. */
unsigned long long sim_live(const char *kind);

/* Bytes of a device that are taken, by all processes. */
unsigned long long sim_used(int device);

/* Tells in which order work began: the same for the same order. */
unsigned long long sim_order(void);

/* The report that `report=1` prints at exit, now. The number of things not given back. */
unsigned long long sim_report(void);

#ifdef __cplusplus
}
#endif

#endif
