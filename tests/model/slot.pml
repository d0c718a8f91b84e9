/* The slot protocol of docs/shared-protocol.md: one owner, one slot, fewer places than processes, and a death at any step.
 *
 * Each statement is one atomic step. `unless` lets a process die between any two of them; its locks go with it, and a new process comes in
 * its stead. The slot is {hold, gen}; a compare-and-swap that is repeated until it is decided is one step here.
 *   a. No reuse while held: the memory's version does not change between Hold and Let go.
 *   b. No resurrection: a Hold with generation g does not succeed after Retire(g).
 *   c. Nothing lost: when all have let go or are dead, the owner's Retire succeeds. (The owner waits for it: otherwise an invalid end state.)
 *   d. One place, one process.
 * PROCESSES, THREADS (of process 0; the others have one), PLACES, ROUNDS (how often the memory is used anew), DEATHS bound it.
 */
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef THREADS
#define THREADS 1
#endif
#ifndef PLACES
#define PLACES 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define REAPER PROCESSES         /* its number as the holder of a lock */
#define ALL (PROCESSES + 1)
#define NONE 15
#define GENERATIONS (2 * ROUNDS + 2)
#define bit(p) (1 << (p))

/* The control. */
byte hold, gen = 1, places;

/* The kernel: who has a place's byte exclusively (number + 1), and who has it shared (bits). */
byte exclusive[PLACES], shared[PLACES];
#define unlocked(p) (exclusive[p] == 0 && shared[p] == 0)

/* The private memory of processes. */
byte place[ALL] = NONE, count[ALL];
bool busy[ALL]; /* the lock of a process around the steps 0 to 1 and 1 to 0 of its local count */

/* What only the checker knows. */
byte version, retired, exported /* bits: generations of which there are handles */, deaths;
bool dies[ALL];

inline drop(i) {
  d_step {
    place[i] = NONE; count[i] = 0; busy[i] = false;
    q = 0;
    do
    :: q < PLACES -> shared[q] = shared[q] & ~bit(i); if :: exclusive[q] == i + 1 -> exclusive[q] = 0 :: else fi; q++
    :: else -> q = 0; break
    od
  }
}

/* Nobody alive may hold when the memory gets a new user. */
inline use_anew() {
  d_step {
    version++;
    assert(count[0] == 0 && count[1] == 0 && (PROCESSES < 3 || count[PROCESSES - 1] == 0))
  }
}

proctype Owner() {
  do
  :: version < ROUNDS ->
    use_anew();
    exported = exported | bit(gen);
    if
    :: version == 1 -> gen++; exported = exported | bit(gen)  /* Revoke, in use still; a handle with the new generation */
    :: skip
    fi;
    /* Released. Any time to live may go by: all steps of others may come before the next. */
#ifdef MUTANT_RETIRE_IN_TWO
    (hold == 0);
    atomic { retired = gen; gen++ }
#else
    atomic { (hold == 0) -> retired = gen; gen++ } /* in limbo until then */
#endif
  :: else -> break
  od
}

/* Any handle there is; 0: none. Handles are for ever, so it is all the same when it is chosen. */
inline choose(g) {
  g = 0;
  do
  :: g < GENERATIONS -> g++
  :: exported & bit(g) -> break
  :: g == GENERATIONS -> g = 0; break
  od
}

inline held(i) {
  count[i]++; mine++; seen = version;
  assert(g > retired)
}

/* Each step that begins with !busy[i] is done, or begun, under the lock of the process. */
proctype Thread(byte i) {
  byte g, mine, seen, q;
  byte p = NONE;
live:
  {
    do
    :: atomic { /* attach, if any place is free */
        !busy[i] && place[i] == NONE && (unlocked(0) || unlocked(1)) -> busy[i] = true;
        if :: unlocked(0) -> p = 0 :: else -> p = 1 fi;
        exclusive[p] = i + 1
      }
#ifndef MUTANT_CLAIM_WITHOUT_CLEARING
      hold = hold & ~bit(p);
#endif
#ifndef MUTANT_PLACES_NOT_SET
      places = places | bit(p);
#endif
#ifdef MUTANT_UNLOCK_THEN_SHARE
      exclusive[p] = 0;
      (exclusive[p] == 0);
#endif
      d_step {
        exclusive[p] = 0; shared[p] = shared[p] | bit(i);
        place[i] = p; p = NONE; busy[i] = false;
        q = 0;
        do
        :: q < PROCESSES -> assert(q == i || place[q] != place[i]); q++
        :: else -> q = 0; break
        od
      }
    :: atomic { /* import what this process holds: the local count alone */
        !busy[i] && count[i] > 0 && mine < 2 -> choose(g);
        if :: g == gen -> held(i) :: else /* STALE */ fi;
        g = 0
      }
    :: atomic { /* import, Hold */
        !busy[i] && count[i] == 0 && place[i] != NONE -> choose(g);
#ifdef MUTANT_HOLD_WITHOUT_GENERATION
        if :: g > 0 -> hold = hold | bit(place[i]); held(i) :: else fi;
#elif defined(MUTANT_HOLD_IN_TWO)
        if :: g == gen -> busy[i] = true :: else -> g = 0 fi
      }
      atomic {
        if :: g > 0 -> hold = hold | bit(place[i]); held(i); busy[i] = false :: else fi;
#else
        if :: g == gen -> hold = hold | bit(place[i]); held(i) :: else /* STALE */ fi;
#endif
        g = 0
      }
    :: atomic { /* let go, having read the memory once more */
        !busy[i] && mine > 0 -> assert(seen == version);
        count[i]--; mine--;
        if :: mine == 0 -> seen = 0 :: else fi;
        if
        :: count[i] == 0 ->
          p = place[i];
#ifndef MUTANT_LET_GO_UNLOCKED
          busy[i] = true
#endif
        :: else
        fi
      }
      if
      :: atomic { p != NONE -> hold = hold & ~bit(p); p = NONE; busy[i] = false }
      :: else
      fi
    :: mine == 0 -> break
    od
  } unless {
    dies[i] -> atomic { p = NONE; g = 0; mine = 0; seen = 0; q = 0; if :: THREADS == 1 || i > 0 -> dies[i] = false; goto live :: else fi }
  }
}

/* Clear up, by anybody: here a process that does nothing else. */
proctype Reaper() {
  byte p;
end_live:
  {
end_idle:
    do
    :: atomic {
        if
        :: places & bit(0) && unlocked(0) -> p = 0
        :: places & bit(1) && unlocked(1) -> p = 1
        fi;
#ifndef MUTANT_CLEAR_UP_WITHOUT_LOCK
        exclusive[p] = REAPER + 1
#endif
      }
#ifdef MUTANT_PLACES_RESET_FIRST
      places = places & ~bit(p);
      hold = hold & ~bit(p);
#else
      hold = hold & ~bit(p);
      places = places & ~bit(p);
#endif
      atomic { if :: exclusive[p] == REAPER + 1 -> exclusive[p] = 0 :: else fi; p = 0 }
    od
  } unless { dies[REAPER] -> atomic { p = 0; dies[REAPER] = false; goto end_live } }
}

/* SIGKILL. A process of two threads is not replaced. */
proctype Killer() {
  byte i, q;
end:
  do
  :: atomic {
      deaths < DEATHS ->
      i = 0;
      do
      :: i < PROCESSES -> i++
      :: !dies[i] -> break
      od;
      deaths++; dies[i] = true;
      drop(i);
      i = 0
    }
  od
}

init {
  byte i;
  atomic {
    run Owner();
    do
    :: i < PROCESSES -> run Thread(i); i++
    :: else -> break
    od;
    if :: THREADS == 2 -> run Thread(0) :: else fi;
    run Reaper();
    run Killer()
  }
}
