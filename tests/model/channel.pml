/* The queue between processes: a ring of cells, each with one word {state, place, incarnation, lap} and a parcel.
 *
 * Position n is cell n % CELLS in lap n / CELLS; its word is older, at it, or past it. Positions are taken in order; head and tail are hints, never
 * ahead of the truth. A sender holds its parcel until it sees the cell past it; a taker holds it before it lets the cell go. Who finds a cell
 * being written or taken by a dead process mends it: written -> skipped, taken -> full again. Any process dies at any step, and another
 * gets its place. The slot of a parcel is retired (`reused`) by its owner as soon as nobody holds it: see slot.pml.
 *   a. No parcel is delivered twice, and none is lost unless its sender died before it was taken.
 *   b. Parcels of one producer arrive in order when there is one consumer.
 *   c. A parcel in flight is not reused unless its sender died.
 *   d. No lost wake-up, and no cell stuck: when nothing can happen any more, all cells are empty and nothing is held.
 *
 * FOUND, in the queue as first described, and mended here:
 * 1. Word without the incarnation (-DMUTANT_NO_INCARNATION): q dies while taking; a new process claims place q before anybody has mended the cell:
 *    the lock of place q is taken, so the cell looks busy for ever. Mended: the control counts for each place how often it was claimed (under
 *    the exclusive lock), the word carries the count, and a cell whose count is not the present one is a dead one's.
 * 2. The same, and the taker frees the cell by a plain store (-DMUTANT_STORE): X finds q dead and stops; Y mends the cell; a new process gets
 *    place q and takes the very parcel; X goes on, its compare-and-swap finds the word it knows, and the cell is full again while it
 *    is being taken: delivered twice. Mended by the incarnation, which makes the words differ; and each change of a word is a
 *    compare-and-swap whose failure means "not yours any more: let go of the parcel, begin again".
 * 3. Sleep without limit (-DMUTANT_NO_LIMIT): the producer dies after publishing and before it wakes, or while writing; who sleeps is told by
 *    nobody. Mended: every sleep ends after a while by itself.
 * 4. `waiting` reset by the one who wakes up (-DMUTANT_SLEEPER_RESETS): with two consumers the one resets what the other has set, takes one parcel
 *    and does not come again. Mended: the waker takes `waiting` with an exchange and wakes all (not one: -DMUTANT_WAKES_ONE).
 * 5. A consumer that passes over every cell that is being taken (-DMUTANT_PASSES_THE_DEAD): the successor of a dead consumer takes a later
 *    parcel first, then the mended one. Mended: only a living taker's cell is passed over; a dead one's is mended before anything else.
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef MENDERS
#define MENDERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define PROCESSES (PRODUCERS + CONSUMERS)
#define PARCELS (PRODUCERS * EACH)
#define NONE 255
#define bit(p) (1 << (p))
#ifdef MUTANT_STORE
#define MUTANT_NO_INCARNATION
#endif

/* Cells. */
mtype = { EMPTY, WRITING, FULL, TAKING };
mtype state[CELLS] = EMPTY;
byte who[CELLS], life[CELLS], lap[CELLS], parcel[CELLS];
byte head, tail;

/* To sleep and to wake. */
bool waiting, asleep[PROCESSES];
byte seq; /* wraps at 8, not at 2^32: more than there are wakers between reading it and going to sleep */

/* Places and slots: process p has place p. */
bool lives[PROCESSES] = true, dies[PROCESSES];
byte incarnation[PROCESSES];
byte hold[PARCELS];
bool reused[PARCELS];

/* Private: the position at which a parcel is in flight. */
byte at[PARCELS] = NONE;

/* What only the checker knows. */
byte deaths, made[PRODUCERS], last[PRODUCERS];
bool got[PARCELS], orphan[PARCELS];

#if PROCESSES == 2
#define dead_bits ((lives[0] -> 0 : 1) | (lives[1] -> 0 : 2))
#else
#define dead_bits ((lives[0] -> 0 : 1) | (lives[1] -> 0 : 2) | (lives[2] -> 0 : 4))
#endif
#define cell(n) ((n) % CELLS)
#define lap_of(n) ((n) / CELLS)
#ifdef MUTANT_NO_INCARNATION
#define mine(c, s) (state[c] == s && who[c] == i)
#define dead(c) (!lives[who[c]])
#else
#define mine(c, s) (state[c] == s && who[c] == i && life[c] == incarnation[i])
#define dead(c) (!lives[who[c]] || incarnation[who[c]] != life[c])
#endif

#ifdef MUTANT_PASSES_THE_DEAD
#define passes(c) true
#else
#define passes(c) (!dead(c)) /* otherwise it waits here for a Mender, which it is itself */
#endif

inline set(c, s) { state[c] = s; who[c] = i; life[c] = incarnation[i] }
inline publish(c) { state[c] = FULL; who[c] = 0; life[c] = 0 }
inline pass(c) { state[c] = EMPTY; who[c] = 0; life[c] = 0; parcel[c] = 0; lap[c]++ }

inline wake() {
#ifdef MUTANT_SLEEPER_RESETS
  if
  :: waiting -> seq = (seq + 1) % 8
#else
  if
  :: atomic { waiting -> waiting = false }
    seq = (seq + 1) % 8;
#endif
#ifdef MUTANT_WAKES_ONE
    d_step { if :: asleep[PROCESSES - 2] -> asleep[PROCESSES - 2] = false :: else -> asleep[PROCESSES - 1] = false fi }
#else
    d_step { asleep[PROCESSES - 1] = false; asleep[PROCESSES - 2] = false }
#endif
  :: else
  fi
}

/* A new process at a dead one's place: attach clears the place's bits. */
inline attach(k) {
  d_step {
    k = 0;
    do
    :: k < PARCELS -> hold[k] = hold[k] & ~bit(i); k++
    :: else -> k = 0; break
    od;
    incarnation[i]++; lives[i] = true
  }
}

proctype Producer(byte i) {
  byte n, k, m = NONE;
end_live:
  {
    if
    :: lives[i]
    :: !lives[i] -> attach(k)
    fi;
end:
    do
    :: atomic { m == NONE && made[i] < EACH -> m = i * EACH + made[i]; made[i]++;
#ifndef MUTANT_NO_HOLD_IN_FLIGHT
        hold[m] = hold[m] | bit(i);
#endif
        n = tail }
again:
      atomic {
        if
        :: state[cell(n)] == EMPTY && lap[cell(n)] == lap_of(n) -> set(cell(n), WRITING)
        :: lap[cell(n)] > lap_of(n) || (lap[cell(n)] == lap_of(n) && state[cell(n)] != EMPTY) ->
          if :: tail == n -> tail++ :: else fi;
          n++;
          goto again
          /* and none while the ring is full: sleeping there is as in Consumer */
        fi
      }
#ifdef MUTANT_WAKE_FIRST
      wake();
#endif
#ifdef MUTANT_PUBLISH_THEN_FILL
      publish(cell(n));
      parcel[cell(n)] = m;
#else
      atomic { if :: mine(cell(n), WRITING) -> parcel[cell(n)] = m :: else fi };
      atomic { if :: mine(cell(n), WRITING) -> publish(cell(n)) :: else fi };
#endif
#ifdef MUTANT_DROPPED_WHEN_SENT
      hold[m] = hold[m] & ~bit(i);
#else
      at[m] = n;
#endif
#ifndef MUTANT_WAKE_FIRST
      wake();
#endif
      atomic { m = NONE; n = 0 }
    :: atomic { m == NONE && at[i * EACH] != NONE && lap[cell(at[i * EACH])] > lap_of(at[i * EACH]) ->
        hold[i * EACH] = hold[i * EACH] & ~bit(i); at[i * EACH] = NONE }
#if EACH > 1
    :: atomic { m == NONE && at[i * EACH + 1] != NONE && lap[cell(at[i * EACH + 1])] > lap_of(at[i * EACH + 1]) ->
        hold[i * EACH + 1] = hold[i * EACH + 1] & ~bit(i); at[i * EACH + 1] = NONE }
#endif
    od
  } unless {
    dies[i] -> atomic { dies[i] = false; n = 0; k = 0; m = NONE; goto end_live }
  }
}

proctype Consumer(byte i) {
  byte n, k, s, seen, m = NONE;
  bool armed;
end_live:
  {
    if
    :: lives[i]
    :: !lives[i] -> attach(k)
    fi;
look:
    n = head;
again:
    atomic {
      if
      :: lap[cell(n)] > lap_of(n) -> if :: head == n -> head++ :: else fi; n++; goto again
      :: lap[cell(n)] == lap_of(n) && state[cell(n)] == TAKING && passes(cell(n)) -> n++; goto again
      :: lap[cell(n)] == lap_of(n) && state[cell(n)] == FULL -> set(cell(n), TAKING); armed = false; s = 0; seen = 0; goto taken
      :: else -> n = 0
      fi
    }
#ifdef MUTANT_NO_SECOND_LOOK
    atomic { s = seq; seen = deaths };
    waiting = true;
#else
    if
    :: !armed -> atomic { s = seq; seen = deaths }; waiting = true; armed = true; goto look
    :: else
    fi;
#endif
    atomic { armed = false; if :: seq == s -> asleep[i] = true :: else fi; s = 0 }
end_asleep:
#ifdef MUTANT_NO_LIMIT
    (!asleep[i]);
#else
    (!asleep[i] || deaths != seen); /* by itself after a while; in the model only after a death, so that no wake-up is lost without one */
#endif
    atomic { asleep[i] = false; seen = 0 };
#ifdef MUTANT_SLEEPER_RESETS
    waiting = false;
#endif
    goto look;
taken:
#ifdef MUTANT_FREED_BEFORE_HOLD
    atomic { m = parcel[cell(n)]; pass(cell(n)) };
    atomic { if :: reused[m] -> assert(orphan[m]) :: else -> hold[m] = hold[m] | bit(i); got[m] = true fi };
#else
    atomic { /* Hold, if it is not STALE */
      m = parcel[cell(n)];
      if :: reused[m] -> assert(orphan[m]); m = NONE :: else -> hold[m] = hold[m] | bit(i) fi
    }
    atomic {
      if
#ifdef MUTANT_STORE
      :: true ->
#else
      :: mine(cell(n), TAKING) && lap[cell(n)] == lap_of(n) ->
#endif
        pass(cell(n));
        if
        :: m != NONE ->
          assert(!got[m]);
          got[m] = true;
#if CONSUMERS == 1
          assert(last[m / EACH] <= m % EACH);
          last[m / EACH] = m % EACH + 1
#endif
        :: else
        fi
      :: else
      fi
    }
#endif
    if
    :: m != NONE -> atomic { hold[m] = hold[m] & ~bit(i); m = NONE; n = 0 }
    :: else -> n = 0
    fi;
#if CONSUMERS > 1
    if
    :: i == PRODUCERS -> /* has enough, for ever: the other one must not miss what comes */
end_enough:
      (false)
    :: goto look
    fi;
#endif
    goto look
  } unless {
    dies[i] -> atomic { dies[i] = false; n = 0; k = 0; s = 0; seen = 0; m = NONE; armed = false; goto end_live }
  }
}

/* Anybody who finds a cell of a dead process. */
proctype Mender() {
  byte c, p, l, f;
  mtype was = EMPTY;
end:
  do
  :: atomic {
      if
      :: (state[0] == WRITING || state[0] == TAKING) && dead(0) -> c = 0
#if CELLS > 1
      :: (state[1] == WRITING || state[1] == TAKING) && dead(1) -> c = 1
#endif
      fi;
      was = state[c]; p = who[c]; l = lap[c]; f = life[c]
    }
    atomic {
      if
#ifdef MUTANT_NO_INCARNATION
      :: state[c] == was && who[c] == p && lap[c] == l ->
#else
      :: state[c] == was && who[c] == p && lap[c] == l && life[c] == f ->
#endif
        if
        :: was == WRITING -> pass(c)
        :: else -> publish(c)
        fi
      :: else
      fi;
      c = 0; p = 0; l = 0; f = 0; was = EMPTY
    }
    wake()
  od
}

/* Whoever clears up after the dead, and the owners of the parcels, who have released them. */
inline others(k) {
  if
  :: atomic { hold[k] & dead_bits -> hold[k] = hold[k] & ~dead_bits }
  :: atomic { hold[k] == 0 && made[k / EACH] > k % EACH && !got[k] && !reused[k] -> reused[k] = true }
  fi
}

proctype Others() {
end:
  do
  :: others(0)
#if PARCELS > 1
  :: others(1)
#endif
#if PARCELS > 2
  :: others(2)
  :: others(3)
#endif
  od
}

proctype Killer() {
  byte i, k;
end:
  do
  :: atomic {
      deaths < DEATHS ->
      if
      :: lives[0] && !dies[0] -> i = 0
      :: lives[1] && !dies[1] -> i = 1
#if PROCESSES > 2
      :: lives[2] && !dies[2] -> i = 2
#endif
      fi;
      deaths++; lives[i] = false; dies[i] = true; asleep[i] = false;
      do
      :: k < PARCELS -> if :: k / EACH == i -> at[k] = NONE; orphan[k] = k % EACH < made[i] && !got[k] :: else fi; k++
      :: else -> break
      od;
      i = 0; k = 0
    }
  od
}

proctype Judge() {
  byte k;
end:
  timeout;
  d_step {
    do
    :: k < PARCELS -> assert(got[k] || orphan[k]); assert(hold[k] == 0); k++
    :: else -> k = 0; break
    od;
    do
    :: k < CELLS -> assert(state[k] == EMPTY); k++
    :: else -> break
    od
  }
}

init {
  byte i;
  atomic {
    do
    :: i < PRODUCERS -> run Producer(i); i++
    :: i >= PRODUCERS && i < PROCESSES -> run Consumer(i); i++
    :: else -> break
    od;
    run Mender();
#if MENDERS == 2
    run Mender();
#endif
    run Others(); run Killer();
#ifndef NO_JUDGE /* for a mutant that does worse than to end badly */
    run Judge()
#else
    skip
#endif
  }
}
