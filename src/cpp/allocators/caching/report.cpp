#include "allocators/caching/report.hpp"

#include "base/text.hpp"

namespace shmalloc::caching {
namespace {

// Not every device says how much it has.
SizeText size_if_known(std::uint64_t bytes) { return bytes != UINT64_MAX ? size_text(bytes) : SizeText{"unknown"}; }

}  // namespace

Error error_of(const OutOfMemory &facts) {
  return fail(
      SHMALLOC_STATUS_NO_MEMORY, 0,
      "no device memory: %s asked for; %s of %s available, %s reserved of at most %s, %s of it in use; largest free block %s, "
      "fragmentation %d%%",
      size_text(facts.requested).text, facts.available_known ? size_text(facts.available).text : "unknown",
      size_if_known(facts.total).text, size_text(facts.reserved).text, size_if_known(facts.limit).text,
      size_text(facts.allocated).text, size_text(facts.largest_free()).text, facts.fragmentation());
}

std::string report_of(const OutOfMemory &facts, const std::string &device) {
  std::string text;
  append(text, "Out of memory on %s: %s were asked for on stream %llu (a block of %s).\n", device.c_str(),
         size_text(facts.requested).text, static_cast<unsigned long long>(facts.stream), size_text(facts.rounded).text);
  append(text, "  device:    %s, of which %s are available to this process\n", size_if_known(facts.total).text,
         facts.available_known ? size_text(facts.available).text : "an unknown part");
  append(text, "  limit:     %s (per_process_memory_fraction:%g)%s\n", size_if_known(facts.limit).text, facts.fraction,
         facts.at_limit ? "; the device was not asked for more" : "");
  append(text, "  reserved:  %s: %s in use (%s as asked for), %s waiting for other streams, %s free\n",
         size_text(facts.reserved).text, size_text(facts.allocated).text, size_text(facts.asked_for).text,
         size_text(facts.pending).text, size_text(facts.free()).text);
  append(text, "  free:      the largest free block has %s; fragmentation %d%%\n", size_text(facts.largest_free()).text,
         facts.fragmentation());
  for (int large = 0; large < 2; ++large) {
    const OutOfMemory::Pool &pool = facts.pools[large];
    append(text, "  %s pool: %llu segments, %s reserved, %s in use or waiting, largest free block %s\n",
           large != 0 ? "large" : "small", static_cast<unsigned long long>(pool.segments), size_text(pool.reserved).text,
           size_text(pool.active).text, size_text(pool.largest_free).text);
  }
  const std::uint64_t free = facts.free();
  if (facts.in_capture)
    text += "  A capture is under way: what is cached could not be given back. Reserve before the capture what it needs.\n";
  if (facts.pending >= facts.rounded && facts.pending > 0)
    text += "  Freed blocks still wait for work on other streams: free them earlier, or wait for those streams.\n";
  if (free >= facts.rounded && facts.fragmentation() > 0)
    text += "  Enough is free, but in pieces: max_split_size_mb or roundup_power2_divisions may help.\n";
  if (facts.at_limit && facts.fraction < 1) text += "  The limit is what stands in the way: raise per_process_memory_fraction.\n";
  if (facts.available_known && facts.total != UINT64_MAX && facts.total > facts.available &&
      facts.total - facts.available > facts.reserved + facts.total / 4)
    append(text, "  Others, or other allocators of this process, use %s of the device.\n",
           size_text(facts.total - facts.available - facts.reserved).text);
  return text;
}

}  // namespace shmalloc::caching
