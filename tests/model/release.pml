/* The last reference of a storage, given back by a look and a store (Storage::release_quickly), while somebody seeks storages by their
 * addresses (Storage::find_shared) and makes a reference out of nothing. The object serves ROUNDS storages, one after the other.
 * Docs: docs/shared-protocol.md.
 *
 * Stores go into a buffer of their thread and reach memory later, oldest first; a look finds its own stores first. membarrier empties the
 * buffers of all threads. An atomic instruction empties its own.
 *   a. A storage is never given back while its maker or the seeker has it.
 *   b. It is given back once everybody has let go (else an invalid end state).
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif

bool seeking, published;
#ifdef MUTANT_BORN_WITH_ONE
byte references = 1;
#else
byte references;
#endif
byte steps;                  /* in memory: the releaser's count, odd within */
bool maker_has, seeker_has;
byte given;                  /* how many storages were given back */
bool done[2];

/* The releaser's buffer, oldest first: a count, the drop, a count. */
byte first_steps, last_steps;
bool buffered_first, buffered_drop, buffered_last;
#define drained (!buffered_first && !buffered_drop && !buffered_last)

inline drain_one() {
  if
  :: buffered_first -> steps = first_steps; buffered_first = false
  :: !buffered_first && buffered_drop -> references = 0; buffered_drop = false
  :: !buffered_first && !buffered_drop && buffered_last -> steps = last_steps; buffered_last = false
  :: else
  fi
}

active proctype Buffer() {
end:
  do
  :: atomic { !drained -> drain_one() }
  od
}

/* Whoever drops the last reference gives the storage back: it is an object for others then. */
inline give_back() { assert(!maker_has && !seeker_has); published = false; given++ }

active proctype Releaser() {
  byte count, round;
  bool last;
again:
  /* it begins: others can find it from here on, and then there is one reference */
  (drained && references == 0 || round == 0);
  maker_has = true;
  published = true;
  references = 1;
  last = false;
#ifdef MUTANT_NO_MARK
  skip;
#else
  d_step { first_steps = count + 1; buffered_first = true }
#endif
#ifdef MUTANT_LOOKS_LATE
  if
  :: references == 1 -> last = true
  :: else
  fi;
  if
  :: seeking -> last = false
  :: else
  fi;
#else
  if
  :: seeking -> goto slow
  :: else
  fi;
  if
  :: references == 1 -> last = true
  :: else
  fi;
#endif
  if
  :: last ->
    maker_has = false;
#ifdef MUTANT_UNMARKS_FIRST
    (drained); d_step { last_steps = count + 2; buffered_last = true } (drained); buffered_drop = true;
#else
    d_step { buffered_drop = true; last_steps = count + 2; buffered_last = true }
#endif
    atomic { give_back() }
    goto out
  :: else -> skip
  fi;
slow: skip;
  atomic { last_steps = count + 2; buffered_last = true }
  atomic { drained -> maker_has = false; references--; if :: references == 0 -> give_back() :: else fi }
out:
  count = count + 2;
  round++;
  if
  :: round < ROUNDS -> (given == round); goto again /* who gave it back last has it for the next */
  :: else
  fi;
  done[0] = true
}

active proctype Seeker() {
#ifndef MUTANT_DOES_NOT_SAY
  seeking = true;
#endif
#ifndef MUTANT_NO_FENCE
  d_step { drain_one(); drain_one(); drain_one() }
#endif
  byte seen = steps;
#ifndef MUTANT_DOES_NOT_WAIT
  (seen % 2 == 0 || steps != seen);
#endif
  byte there;
  if
  :: published ->
    there = references;
    if
    :: there != 0 ->
      if
      :: atomic { references == there -> references++; seeker_has = true; }
      :: atomic { references != there -> skip }
      fi
    :: else
    fi
  :: else
  fi;
  seeking = false;
  if
  :: seeker_has ->
    atomic { seeker_has = false; references--; if :: references == 0 -> give_back() :: else fi }
  :: else
  fi;
  done[1] = true
}

active proctype End() {
  (done[0] && done[1] && drained && given == ROUNDS && references == 0)
}
