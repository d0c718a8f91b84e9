// The conformance suite: every sentence of the contract (device/backend.hpp) as a rule that any backend must keep. The rules know nothing
// of a backend but the contract, and touch its memory by copies only.
//
// A subject says how a device is had:
//   struct Subject {
//     using Device = ..;                                       // a Backend
//     static Result<Device> open(std::uint32_t index);         // NOT_FOUND where there are not so many
//     static constexpr long kPatience = 60;                    // seconds after which work that does not come counts as lost
//     static constexpr bool kForeignStreams = false;           // streams that others made serve as well, so any number may be one
//   };
#pragma once

#include "rules_memory.hpp"
#include "rules_order.hpp"
#include "rules_streams.hpp"
#include "rules_threads.hpp"
#include "rules_virtual.hpp"

namespace conformance {

struct Rule {
  const char *name;
  const char *(*check)();
};

#define RULE(name) \
  Rule { #name, name < S> }
template <class S>
inline constexpr Rule kRules[] = {
    RULE(a_device_describes_itself),
    RULE(allocations_are_aligned_and_apart),
    RULE(wrong_sizes_and_addresses_are_refused),
    RULE(memory_that_is_freed_is_given_again),
    RULE(a_limit_is_kept),
    RULE(copies_of_a_backend_are_one_device),
    RULE(devices_do_not_wait_for_each_other),
    RULE(memory_is_mapped_in_pieces),
    RULE(one_memory_at_two_places),
    RULE(destroyed_memory_lasts_while_it_is_mapped),
    RULE(access_is_what_was_set),
    RULE(wrong_ranges_are_refused),
    RULE(there_is_no_virtual_memory_without_pages),
    RULE(memory_travels_by_descriptor),
    RULE(a_stream_keeps_its_order),
    RULE(a_stream_takes_any_amount_of_work),
    RULE(synchronize_means_what_was_queued),
    RULE(a_destroyed_stream_does_its_work),
    RULE(the_default_stream_is_a_stream),
    RULE(many_streams_wait_for_one),
    RULE(unknown_streams_and_events_are_refused),
    RULE(nothing_is_captured),
    RULE(functions_are_work_like_any_other),
    RULE(an_event_is_done_when_its_stream_came_so_far),
    RULE(the_last_record_counts),
    RULE(a_wait_means_the_record_of_its_time),
    RULE(waits_order_streams),
    RULE(waits_in_a_circle_of_streams),
    RULE(events_outlive_their_streams_and_waits_their_events),
    RULE(many_events),
    RULE(threads_share_streams),
    RULE(threads_share_an_event),
    RULE(threads_share_the_memory),
    RULE(threads_come_and_go_with_streams),
};
#undef RULE

}  // namespace conformance
