/* SPDX-License-Identifier: MIT
 * shmalloc: allocate, map, share, count and free the same storages from every process and language of a machine.
 *
 * THREE THINGS
 *   storage    some bytes with an owner. Retained and released; the last release gives the memory back.
 *   allocator  where storages come from: a kind (how memory is carved), over a source (from what), on a device (where).
 *   handle     at most 512 plain bytes from which another process opens the same storage.
 *
 * THE MAIN JOB
 *     shmalloc_storage *s;
 *     uint8_t handle[SHMALLOC_HANDLE_MAX];
 *     size_t length = sizeof handle;
 *     shmalloc_storage_create(NULL, 1 << 20, SHMALLOC_STREAM_DEFAULT, NULL, &s, NULL);   one process makes a storage,
 *     memcpy(shmalloc_storage_data(s), "hello", 6);                                      writes to it,
 *     shmalloc_storage_export(s, NULL, handle, &length, NULL);                           and sends these bytes by any means.
 *
 *     shmalloc_storage_import(handle, length, NULL, 0, NULL, &s, NULL);                  Another process opens it: same memory.
 *     puts(shmalloc_storage_data(s));
 *     shmalloc_storage_release(s);                                                       Both release it.
 *   With a unix socket between them, shmalloc_storage_send and shmalloc_storage_receive do the middle part for many at once,
 *   and need no rights of one process over the other.
 *
 * RULES OF EVERY CALL
 *   Order of arguments: object, inputs, outputs, err. Sizes are in bytes, times in nanoseconds.
 *   Outputs are set on success and untouched on failure, but for the length of a buffer that was too small. A failed call
 *   changes nothing. `err` may be NULL; it is written on failure only, with what was tried, on what, and what to do about it.
 *   Any call that returns a status may also return INVALID, NO_MEMORY, UNSUPPORTED, SYSTEM, BACKEND or INTERNAL; @return names the
 *   others.
 *   A buffer with an inout_length: NULL counts as one without room, whatever the length says. A buffer without enough room gives
 *   NO_SPACE with the length set, and nothing else happens. Nothing is ever cut short.
 *   A struct that begins with struct_size: less than its first published size is INVALID. Input: what is missing reads as 0, what the
 *   library does not know must be 0, else UNSUPPORTED. Output: what both know is written, the rest zeroed, struct_size only read.
 *   Text in is bytes up to a zero byte. Error messages, log lines and JSON are valid UTF-8; names and paths come out as they are.
 *   Each declaration says who owns what:
 *     (borrowed) used during the call only     (retained) the library keeps a reference of its own, yours stays yours
 *     (owned)    you get one reference or descriptor and must give it back       (copied) the bytes are copied
 *     (adopted)  given to the library on every path, a failed call too           (array N) N elements
 *     (out) (inout) plain values written, or read and written                    (nullable) NULL is legal
 *   which threads may call it:
 *     Threading: any (all at once), serial (one at a time for one object), startup (before other threads use the library)
 *   and what it may do:
 *     Call: leaf (bounded: no system call, no lock that sleeps), work (system calls, short locks), wait (may sleep for a peer);
 *     `+cb`: your callbacks may run, on this thread, with no lock held, before it returns. No callback runs at any other time, but
 *     that a log listener may run in any call that is not a leaf. Calls marked +cb begin with the releases that finalizers put off.
 *     A `wait` that a signal handler interrupts returns INTERRUPTED, if nothing was taken or sent yet: call again.
 *   The library prints nothing, aborts never, sets no signal handler, starts no thread but those of streams on HOST_STREAMS devices, and has no last
 *   error per thread.
 *   Descriptors you pass in are duplicated; descriptors you get are yours and close-on-exec.
 *   Fork at any time, other threads inside the library included: the child may use the host storages it inherited and release
 *   anything; what the parent holds stays as it is. Devices and their memory are not inherited.
 *
 * WHERE THINGS STAND, AND WHERE LATER ONES WILL
 *   base.h       status, error, version, log, finalizers
 *   device.h     what a device is and offers, streams, events, copies
 *   backend.h    a device of your own
 *   allocator.h  kinds, settings, current allocator, trim, memory by address, observers   (pools, suspend)
 *   storage.h    make, ask, pin, copy, share, grow, seal
 *   ipc.h        handles, sockets                            (device memory uses the same calls)
 *   channel.h    queues of storages between processes
 *   machine.h    what is shared on this machine, and taking it back
 *   trace.h      statistics, peaks, history, snapshots       (stacks of calls)
 *   Not included here: shmalloc/torch.h (PyTorch's counts and manager), shmalloc/dlpack.h (tensors of other libraries). */
#ifndef SHMALLOC_H
#define SHMALLOC_H

#include "shmalloc/allocator.h"
#include "shmalloc/backend.h"
#include "shmalloc/base.h"
#include "shmalloc/channel.h"
#include "shmalloc/device.h"
#include "shmalloc/ipc.h"
#include "shmalloc/machine.h"
#include "shmalloc/storage.h"
#include "shmalloc/trace.h"

#endif /* SHMALLOC_H */
