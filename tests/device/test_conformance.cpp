// The suite can fail: each mistake is found by the rule that is about it, in a process of its own, for a mistake may also be the end of it.
#include <sys/wait.h>
#include <unistd.h>

#include "broken.hpp"
#include "conformance.hpp"

namespace {

using namespace conformance;

// Some mistakes show only if a thread is quick enough: they get several chances to be found.
void is_found(void **state) {
  const auto *rule = static_cast<const Rule *>(*state);
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    fflush(nullptr);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      const char *wrong = rule->check();
      if (wrong != nullptr) print_message("# %s\n", wrong);
      fflush(nullptr);
      _exit(wrong != nullptr ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) return;
  }
  fail_msg("%s finds nothing", rule->name);
}

void what_has_no_more_than_it_must_passes(void **) {
  for (const Rule &rule : kRules<broken::Subject<broken::Plain>>) {
    if (const char *wrong = rule.check(); wrong != nullptr) fail_msg("%s: %s", rule.name, wrong);
  }
}

#define FOUND(mistake, rule) \
  Rule { #mistake ": " #rule, rule < broken::Subject < broken::mistake>> }
const Rule kFound[] = {
    FOUND(WaitsForNothing, waits_order_streams),
    FOUND(WaitsForNothing, many_streams_wait_for_one),
    FOUND(WaitsForNothing, events_outlive_their_streams_and_waits_their_events),
    FOUND(WaitsForLaterRecords, a_wait_means_the_record_of_its_time),
    FOUND(DefaultStreamDoesNotWait, the_default_stream_is_a_stream),
    FOUND(AlwaysDone, an_event_is_done_when_its_stream_came_so_far),
    FOUND(AlwaysDone, the_last_record_counts),
    FOUND(AlwaysDone, many_events),
    FOUND(RecordsElsewhere, an_event_is_done_when_its_stream_came_so_far),
    FOUND(CallsTwice, functions_are_work_like_any_other),
    FOUND(CopiesAreOthers, copies_of_a_backend_are_one_device),
    FOUND(RecordsOnce, the_last_record_counts),
    FOUND(SynchronizesNothing, synchronize_means_what_was_queued),
    FOUND(SynchronizesNoEvent, synchronize_means_what_was_queued),
    FOUND(SynchronizesNoEvent, threads_share_streams),
    FOUND(SynchronizesNoEvent, threads_come_and_go_with_streams),
    FOUND(LargeWorkOvertaken, a_stream_keeps_its_order),
    FOUND(DropsWork, a_destroyed_stream_does_its_work),
    FOUND(KeepsStreams, a_destroyed_stream_does_its_work),
    FOUND(KeepsStreams, unknown_streams_and_events_are_refused),
    FOUND(DestroysTheDefault, the_default_stream_is_a_stream),
    FOUND(KeepsEvents, unknown_streams_and_events_are_refused),
    FOUND(TakesOldEvents, unknown_streams_and_events_are_refused),
    FOUND(TakesOldEvents, threads_come_and_go_with_streams),
    FOUND(CapturesAlways, nothing_is_captured),
    FOUND(FreesAnything, wrong_sizes_and_addresses_are_refused),
    FOUND(FreesNothing, memory_that_is_freed_is_given_again),
    FOUND(GivesNothingForNothing, wrong_sizes_and_addresses_are_refused),
    FOUND(GivesLess, allocations_are_aligned_and_apart),
    FOUND(KnowsNoLimit, a_limit_is_kept),
    FOUND(CopiesLess, allocations_are_aligned_and_apart),
    FOUND(FillsWithOneValue, allocations_are_aligned_and_apart),
    FOUND(NamesAreTheSame, devices_do_not_wait_for_each_other),
    FOUND(UnmapsNothing, memory_is_mapped_in_pieces),
    FOUND(UnmapsNothing, destroyed_memory_lasts_while_it_is_mapped),
    FOUND(AccessWithoutAsking, access_is_what_was_set),
    FOUND(WritesWhatIsForReading, access_is_what_was_set),
    FOUND(ImportsACopy, memory_travels_by_descriptor),
};
#undef FOUND

}  // namespace

int main() {
  std::vector<CMUnitTest> tests = {cmocka_unit_test(what_has_no_more_than_it_must_passes)};
  for (const Rule &one : kFound) tests.push_back({one.name, is_found, nullptr, nullptr, const_cast<Rule *>(&one)});
  return _cmocka_run_group_tests("conformance", tests.data(), tests.size(), nullptr, nullptr);
}
