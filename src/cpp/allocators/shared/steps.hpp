// Between the atomic steps of the protocol a process may die or be stopped. Tests build the protocol so that it asks them at each of these
// points (tests/kill), and with mistakes in it, which the same tests must find. In the library this is nothing.
#pragma once

#ifdef SHMALLOC_KILL_POINTS
extern "C" void shmalloc_kill_point(void);
extern "C" int shmalloc_mutant;
#define SHMALLOC_STEP() shmalloc_kill_point()
#define SHMALLOC_MUTANT(number) (shmalloc_mutant == (number))
#else
#define SHMALLOC_STEP() static_cast<void>(0)
#define SHMALLOC_MUTANT(number) false
#endif

// shmalloc_mutant is 0: none. 1: retire looks and then bumps. 2: hold looks and then sets its bit. 3: a place is claimed with the bits of its dead
// predecessor. 4: places are cleared up though somebody has them. 5: what forked children may use is not handed over to them.
// Of channels: 11 and 12: cells that a dead one was writing, or taking, are not mended. 13: nor those of a predecessor at a place. 14: a
// storage that a dead one was taking is passed over.
// Of looking for storages by addresses: 21: not waiting for those who are releasing; 22: not telling them.
