// Makes the nth system call or allocation of the library fail.
#pragma once

namespace faults {

// Puts a counting function in the place of every entry of the table of calls.
void install();

// From now on calls and allocations are counted, and the nth of them (from 1) fails with this errno; 0: none does.
void arm(long nth, int error);
// Stops counting; how many there were.
long disarm();
// What the armed call was that failed: the name of the table's entry, "new" for an allocation, "" if none was reached.
const char *failed();
// Whether that entry can't fail in a way that leaves nothing behind: the name that unlink was to remove is still there.
bool leaves_a_name();

}  // namespace faults
