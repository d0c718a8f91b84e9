/* The last reference of a storage, given back by a look and a store (Storage::release_quickly), while somebody seeks storages by their
 * addresses (Storage::find_shared) and makes a reference out of nothing. Docs: docs/shared-protocol.md.
 *
 * Stores go into a buffer of their thread and reach memory later, oldest first; a look finds its own stores first. membarrier empties the
 * buffers of all threads. An atomic instruction empties its own.
 *   a. A storage is never both given back and held by the seeker.
 *   b. It is given back once everybody has let go (else an invalid end state).
 */
#define NONE 255

bool seeking, given;         /* in memory */
byte references = 1;         /* in memory; 1: the releaser's own */
bool releasing;              /* in memory: the releaser's mark */
bool buffered_mark, buffered_drop, buffered_unmark; /* of the releaser, oldest first */
bool seeker_holds;
bool done[2];

/* The releaser's oldest store reaches memory. */
inline drain_one() {
  if
  :: buffered_mark -> releasing = true; buffered_mark = false
  :: !buffered_mark && buffered_drop -> references = 0; buffered_drop = false
  :: !buffered_mark && !buffered_drop && buffered_unmark -> releasing = false; buffered_unmark = false
  :: else
  fi
}
#define drained (!buffered_mark && !buffered_drop && !buffered_unmark)

/* The buffer of the releaser's CPU, emptied at any time. */
active proctype Buffer() {
end:
  do
  :: atomic { !drained -> drain_one() }
  od
}

active proctype Releaser() {
  bool last = false;
#ifndef MUTANT_NO_MARK
  buffered_mark = true;
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
  /* the two looks are two steps; whoever is neither seeking nor seen can change nothing in between */
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
#ifdef MUTANT_UNMARKS_FIRST
    (drained); buffered_unmark = true; (drained); buffered_drop = true;
#else
    buffered_drop = true; buffered_unmark = true;
#endif
    assert(!seeker_holds);
    given = true; goto out
  :: else -> skip
  fi;
slow:
  atomic { (!buffered_drop) -> buffered_unmark = true }
  atomic { drained -> references--; if :: references == 0 -> assert(!seeker_holds); given = true :: else fi }
out:
  done[0] = true
}

active proctype Seeker() {
#ifndef MUTANT_DOES_NOT_SAY
  seeking = true;
#endif
#ifndef MUTANT_NO_FENCE
  d_step { drain_one(); drain_one(); drain_one() }
#endif
#ifndef MUTANT_DOES_NOT_WAIT
  (!releasing);
#endif
  byte seen = references;
  if
  :: seen != 0 ->
    if
    :: atomic { references == seen && seen != 0 -> references++; seeker_holds = true; assert(!given) }
    :: atomic { references != seen -> skip }
    fi
  :: else
  fi;
  seeking = false;
  if
  :: seeker_holds ->
    atomic { seeker_holds = false; references--; if :: references == 0 -> given = true :: else fi }
  :: else
  fi;
  done[1] = true
}

active proctype End() {
  (done[0] && done[1] && drained && given && references == 0)
}
