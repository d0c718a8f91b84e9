/* Fork, as docs/shared-protocol.md has it: process 0 forks process 1, which forks process 2; any of them dies at any step, and what is
 * dead and cleared up may be forked anew. One slot. With OWNER process 0 is the segment's owner, otherwise a holder, and the owner is
 * somebody else, who has released. A place may be missing for a child (it keeps its parent's, and the parent keeps what it has).
 *
 * Claiming, clearing up and their deaths in the middle are in slot.pml; here clearing up is one step.
 *   a. The memory gets no new user while a living process has a local count, inherited or not.
 *   c. When all are dead, or live and hold nothing, the slot can be retired (else an invalid end state).
 *
 * FOUND: the protocol as first written down set a child's bits late, when the parent let go ("hands over"). -DMUTANT_HAND_OVER is that one. It
 * loses memory: child lets go of what it inherited (its bit is not set yet: nothing to reset); parent lets go, finds the child alive,
 * sets the child's bit, drops its own. Nobody will reset that bit while the child lives. No order of the parent's steps mends it, for
 * the parent does not know what the child has let go of. Besides, the child keeps its parent's place from being cleared up as long as it
 * lives, with all that a dead parent held for itself: half-done cells of channels, too.
 * MENDED: the parent sets the child's bits before the fork, in each slot that it has a local count for. The child then needs nothing of its
 * parent's, and a place's bits are nobody's business but its own.
 */
#ifndef FORKS
#define FORKS 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define PROCESSES 3
#define bit(p) (1 << (p))
#define OWNER_BYTE bit(3)

#ifdef MUTANT_HAND_OVER_LATE
#define MUTANT_HAND_OVER
#endif

/* The control. Place p is process p's: who gets which is in slot.pml. */
byte hold, gen = 1, places;

/* The kernel: description j, made for process j, is kept by the processes `kept`, and has the bytes `covers`. */
byte kept[PROCESSES], covers[PROCESSES];
#define has(j, b) (kept[j] != 0 && (covers[j] & (b)))
#define locked(b) (has(0, b) || has(1, b) || has(2, b))

/* Private memory. */
byte count[PROCESSES];
bool placed[PROCESSES], pinned[PROCESSES];
#ifdef MUTANT_HAND_OVER
bool old[PROCESSES]; /* held since before the last fork */
#endif

/* What only the checker knows. */
bool lives[PROCESSES], dies[PROCESSES];
byte deaths, forks;
#define unheld (count[0] == 0 && count[1] == 0 && count[2] == 0)

inline end_of(i) {
  d_step {
    lives[i] = false; count[i] = 0; placed[i] = false; pinned[i] = false;
    kept[0] = kept[0] & ~bit(i); kept[1] = kept[1] & ~bit(i); kept[2] = kept[2] & ~bit(i)
  }
}

/* The owner, or an heir: retires the slot, and the memory gets a new user. */
proctype Retirer() {
#ifdef OWNER
  atomic { hold == 0 && ((lives[0] && count[0] == 0) || !locked(OWNER_BYTE)) -> gen++; assert(unheld) }
#else
  atomic { hold == 0 -> gen++; assert(unheld) }
#endif
}

proctype Reaper() {
end:
  do
  :: atomic { (places & bit(0)) && !locked(bit(0)) -> hold = hold & ~bit(0); places = places & ~bit(0) }
  :: atomic { (places & bit(1)) && !locked(bit(1)) -> hold = hold & ~bit(1); places = places & ~bit(1) }
  :: atomic { (places & bit(2)) && !locked(bit(2)) -> hold = hold & ~bit(2); places = places & ~bit(2) }
  od
}

#ifdef OWNER
#define is_owner(i) (i == 0)
#else
#define is_owner(i) false
#endif
#define child (i + 1)

inline set_bits() {
  if
  :: atomic { count[i] > 0 -> hold = hold | bit(child) } /* in each slot; no generation to look at: i itself holds */
  :: else
  fi
}

/* Process i. A child begins when it is forked. Fork has the locks of the process: none of its other steps comes between. */
proctype Process(byte i) {
end_live:
  {
    (lives[i]);
    do
    :: atomic {
        i < 2 && forks < FORKS && !lives[child] && kept[child] == 0 -> forks++;
        if /* i keeps the child's description, with its byte locked; or no place is free */
        :: !locked(bit(child)) -> kept[child] = bit(i); covers[child] = bit(child)
#ifdef MUTANT_CHILD_LOCKS_LATER
          ; covers[child] = 0
#endif
        :: kept[child] = bit(i);
#ifdef MUTANT_CHILD_KEEPS_NOTHING
          covers[child] = 0;
#else
          covers[child] = covers[i];
#endif
#ifndef MUTANT_PARENT_LETS_GO
          pinned[i] = pinned[i] || (placed[i] && count[i] > 0);
#endif
          goto cleared
        fi
      }
#ifdef MUTANT_CLEARED_LAST
      set_bits();
#endif
      hold = hold & ~bit(child);
      places = places | bit(child);
#ifdef MUTANT_HAND_OVER
      covers[child] = covers[child] | covers[i];
#elif !defined(MUTANT_BITS_AFTER_FORK) && !defined(MUTANT_CLEARED_LAST) && !defined(MUTANT_NO_BITS)
      set_bits();
#endif
cleared:
#ifdef MUTANT_UNMAPS_FIRST
      kept[child] = kept[child] & ~bit(i);
#endif
      if
      :: atomic {
          lives[child] = true; count[child] = count[i]; placed[child] = (covers[child] & bit(child)) != 0;
          kept[child] = kept[child] | bit(child)
#ifdef MUTANT_HAND_OVER
          ; old[i] = count[i] > 0; old[child] = false
#endif
        }
      :: skip /* fork failed */
      fi;
#ifdef MUTANT_CHILD_LOCKS_LATER
      atomic { if :: lives[child] -> covers[child] = bit(child); placed[child] = true :: else fi };
#endif
#ifdef MUTANT_BITS_AFTER_FORK
      if :: placed[child] -> set_bits() :: else fi;
#endif
      kept[child] = kept[child] & ~bit(i) /* i unmaps its part */
    :: atomic { count[i] == 0 && placed[i] && gen == 1 && !is_owner(i) -> hold = hold | bit(i); count[i]++ } /* Hold, as in slot.pml */
    :: atomic { count[i] > 0 && count[i] < 2 -> count[i]++ }
    :: atomic { count[i] > 1 -> count[i]-- }
    :: count[i] == 1 && !pinned[i] -> /* let go; the owner just has no references any more */
#ifdef MUTANT_HAND_OVER_LATE
      if :: is_owner(i) || !placed[i] -> count[i] = 0 :: else -> atomic { hold = hold & ~bit(i); count[i] = 0 } fi;
#endif
#ifdef MUTANT_HAND_OVER
      if
      :: atomic { i < 2 && old[i] && has(child, bit(child)) -> hold = hold | bit(child); old[i] = false }
      :: else -> old[i] = false
      fi;
#endif
#ifndef MUTANT_HAND_OVER_LATE
      if
      :: is_owner(i) || !placed[i] -> count[i] = 0
      :: else -> atomic { hold = hold & ~bit(i); count[i] = 0 }
      fi
#endif
    :: atomic { pinned[i] -> end_of(i) }; goto end_live /* what it keeps for a child goes with it */
#ifdef MUTANT_KEEPS_FOR_EVER
    :: count[i] == 0 -> break
#else
    :: atomic { !placed[i] && count[i] == 0 && (kept[i] & bit(i)) -> kept[i] = kept[i] & ~bit(i) } /* has let all go: needs no ancestor's place */
    :: count[i] == 0 && (placed[i] || !(kept[i] & bit(i))) -> break /* lives on, holds nothing */
#endif
    od;
end_idle:
    (false)
  } unless {
    dies[i] -> atomic { dies[i] = false; goto end_live }
  }
}

proctype Killer() {
  byte i;
end:
  do
  :: atomic {
      deaths < DEATHS && (lives[0] || lives[1] || lives[2]) ->
      if
      :: lives[0] -> i = 0
      :: lives[1] -> i = 1
      :: lives[2] -> i = 2
      fi;
      deaths++; dies[i] = true;
      end_of(i);
      i = 0
    }
  od
}

init {
  atomic {
    lives[0] = true; placed[0] = true; places = bit(0); kept[0] = bit(0); covers[0] = bit(0); count[0] = 1;
#ifdef OWNER
    covers[0] = bit(0) | OWNER_BYTE;
#else
    hold = bit(0);
#endif
    run Process(0); run Process(1); run Process(2); run Retirer(); run Reaper(); run Killer()
  }
}
