/* Reclaim, as docs/shared-protocol.md has it: the owner dies at any step; who is still attached (heirs) retires what nobody holds and gives its
 * pages back to the system, while others hold and let go with handles they have; heirs die in the middle and are replaced.
 *
 * Slot 0 covers pages 0 and 1. The owner may retire it and give page 0 to slot 1, so that slot 0's old range lies over a slot in use.
 * Page 2 has no slot. Process p has place p, whose byte is locked while it lives or somebody else has it exclusively.
 *   a. A page of a slot that a living process holds is never punched, and a Hold never finds a punched page.
 *   b. In the end, when somebody lives, every page that no living process holds is punched. `due` stands for "somebody attached makes some call
 *      after a death": nobody is told of a death. Let go is not such a call: whoever lets go reclaims himself.
 *
 * FOUND: "lock the owner's byte exclusively without waiting .. unlock" around it all, as first written down, loses memory
 * (-DMUTANT_EXCLUSIVE): heir A has passed slot s, which B holds; B lets go, finds the byte locked and leaves; A unlocks. Nobody is left to
 * look at s. MENDED: heirs need no exclusion. That the owner's byte is free is a fact that stays (only one who has it can lock it for a child), so
 * it is enough to test it; every step is safe beside another heir's. With the lock (-DEXCLUSIVE) it takes a flag that is set before
 * each attempt and looked at again after unlocking.
 */
#ifndef PROCESSES
#define PROCESSES 2
#endif
#ifndef DEATHS
#define DEATHS 3
#endif
#define bit(p) (1 << (p))
#ifdef MUTANT_EXCLUSIVE
#define EXCLUSIVE
#endif

/* The control and the data. Generations above 2 are not told apart: all handles are of generation 1. */
byte hold[2], gen[2] = 1, range[2], present = 7;
bool exported[2];

/* The kernel. */
bool owner = true, lives[PROCESSES], dies[PROCESSES];
byte exclusive[PROCESSES]; /* place p's byte: by whom (number + 1) */
#ifdef EXCLUSIVE
byte reclaims; /* the owner's byte: by whom (number + 1) */
bool again;
#endif

bool count[2 * PROCESSES]; /* does process i hold slot s: [2 * i + s] */

/* What only the checker knows. */
bool due, quiet[PROCESSES];
byte deaths;
#define pages_of(i) ((lives[i] && count[2 * (i)] -> range[0] : 0) | (lives[i] && count[2 * (i) + 1] -> range[1] : 0))
#if PROCESSES == 2
#define used (pages_of(0) | pages_of(1))
#define anybody (lives[0] || lives[1])
#else
#define used (pages_of(0) | pages_of(1) | pages_of(2))
#define anybody (lives[0] || lives[1] || lives[2])
#endif

proctype Owner() {
  {
    range[0] = 3;
    exported[0] = true;
    atomic { hold[0] == 0 -> gen[0]++ };
    range[1] = 1;
    exported[1] = true;
end:
    (false)
  } unless { !owner }
}

/* By process i: page k goes, unless a held slot covers it. */
inline punch(k) {
#ifdef MUTANT_PUNCH_WHAT_IS_RETIRED
  atomic { if :: covered & bit(k) -> present = present & ~bit(k); assert(!(used & bit(k))) :: else fi }
#else
  atomic { if :: !(covered & bit(k)) -> present = present & ~bit(k); assert(!(used & bit(k))) :: else fi }
#endif
}

inline clear_up(p) {
  if
  :: atomic { !lives[p] && exclusive[p] == 0 && ((hold[0] | hold[1]) & bit(p)) -> exclusive[p] = i + 1 }
    hold[0] = hold[0] & ~bit(p);
    hold[1] = hold[1] & ~bit(p);
    exclusive[p] = 0
  :: else
  fi
}

/* Retire slot s, or note that it is held: its range can't change then, nor after, for there is no owner. */
inline retire(s) {
#if defined(MUTANT_COVER_READ_AGAIN)
  atomic { if :: hold[s] == 0 -> gen[s] = 2 :: else fi }
#elif defined(MUTANT_PUNCH_WHAT_IS_RETIRED)
  atomic { if :: hold[s] == 0 -> gen[s] = 2; covered = covered | range[s] :: else fi }
#elif defined(MUTANT_NO_RETIRE)
  atomic { if :: hold[s] == 0 :: else -> covered = covered | range[s] fi }
#else
  atomic { if :: hold[s] == 0 -> gen[s] = 2 :: else -> covered = covered | range[s] fi }
#endif
}

proctype Process(byte i) {
  byte covered;
end_live:
  {
end:
    do
    :: atomic { !lives[i] && exclusive[i] == 0 -> exclusive[i] = i + 1 } /* a new process attaches to the place */
      hold[0] = hold[0] & ~bit(i);
      hold[1] = hold[1] & ~bit(i);
      atomic { exclusive[i] = 0; lives[i] = true; quiet[i] = false };
#ifndef MUTANT_ATTACH_DOES_NOT_RECLAIM
      goto reclaim
#endif
    :: atomic { lives[i] && !quiet[i] && !count[2 * i] && exported[0] && gen[0] == 1 ->
        hold[0] = hold[0] | bit(i); count[2 * i] = true; assert((present & range[0]) == range[0]) }
    :: atomic { lives[i] && !quiet[i] && !count[2 * i + 1] && exported[1] && gen[1] == 1 ->
        hold[1] = hold[1] | bit(i); count[2 * i + 1] = true; assert((present & range[1]) == range[1]) }
    :: atomic { lives[i] && count[2 * i] -> count[2 * i] = false; hold[0] = hold[0] & ~bit(i) }; goto reclaim
    :: atomic { lives[i] && count[2 * i + 1] -> count[2 * i + 1] = false; hold[1] = hold[1] & ~bit(i) }; goto reclaim
    :: atomic { lives[i] && !quiet[i] -> quiet[i] = true }
    :: atomic { lives[i] && due -> due = false };
reclaim:
#ifdef EXCLUSIVE
#ifndef MUTANT_EXCLUSIVE
      again = true;
#endif
      if
      :: atomic { !owner && reclaims == 0 -> reclaims = i + 1 }
      :: else -> goto done
      fi;
      again = false;
#else
      if
      :: !owner
      :: else -> goto done
      fi;
#endif
      clear_up(0);
      clear_up(1);
#if PROCESSES == 3
      clear_up(2);
#endif
      retire(0);
      retire(1);
#ifdef MUTANT_COVER_READ_AGAIN
      covered = (hold[0] -> range[0] : 0);
      covered = covered | (hold[1] -> range[1] : 0);
#endif
      punch(0);
      punch(1);
      punch(2);
      covered = 0;
#ifdef EXCLUSIVE
      reclaims = 0;
      if
      :: again -> goto reclaim
      :: else
      fi;
#endif
done:
      skip
    :: !lives[i] -> break /* nobody comes after it */
    od;
end_gone:
    (false)
  } unless {
    dies[i] -> atomic { dies[i] = false; covered = 0; goto end_live }
  }
}

inline end_of(i) {
  d_step {
    lives[i] = false; dies[i] = true; quiet[i] = true; count[2 * i] = false; count[2 * i + 1] = false; due = true; deaths++;
    if :: exclusive[0] == i + 1 -> exclusive[0] = 0 :: else fi;
    if :: exclusive[1] == i + 1 -> exclusive[1] = 0 :: else fi;
#if PROCESSES == 3
    if :: exclusive[2] == i + 1 -> exclusive[2] = 0 :: else fi;
#endif
#ifdef EXCLUSIVE
    if :: reclaims == i + 1 -> reclaims = 0 :: else fi
#endif
  }
}

proctype Killer() {
end:
  do
  :: atomic { owner -> owner = false; due = true }
  :: atomic { deaths < DEATHS && (lives[0] || exclusive[0] == 1) && !dies[0] -> end_of(0) }
  :: atomic { deaths < DEATHS && (lives[1] || exclusive[1] == 2) && !dies[1] -> end_of(1) }
#if PROCESSES == 3
  :: atomic { deaths < DEATHS && (lives[2] || exclusive[2] == 3) && !dies[2] -> end_of(2) }
#endif
  od
}

/* When nothing can happen any more. */
proctype Judge() {
end:
  timeout -> assert(owner || !anybody || (present & ~used) == 0)
}

init {
  atomic {
    lives[0] = true; lives[1] = true;
#if PROCESSES == 3
    lives[2] = true; run Process(2);
#endif
    run Process(0); run Process(1); run Owner(); run Killer(); run Judge()
  }
}
