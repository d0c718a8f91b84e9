/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/trace.hpp - what an allocator did and has: statistics, peaks, history, snapshots. */
#ifndef SHMALLOC_CPP_TRACE_HPP
#define SHMALLOC_CPP_TRACE_HPP

#include "shmalloc/cpp/storage.hpp"
#include "shmalloc/trace.h"

namespace shmalloc {
inline namespace v0 {

/** Each field has current, peak, allocated and freed, or three such for the pools. The C library's own; see shmalloc_statistics. */
using Statistics = shmalloc_statistics;
using Stat = shmalloc_stat;

/** Index of the arrays in Statistics. */
inline constexpr std::size_t pool_all = SHMALLOC_STAT_POOL_ALL;
inline constexpr std::size_t pool_small = SHMALLOC_STAT_POOL_SMALL;
inline constexpr std::size_t pool_large = SHMALLOC_STAT_POOL_LARGE;

inline Statistics statistics(const Allocator &allocator) {
  if (!allocator) throw ClosedError("this allocator is empty");
  auto statistics = SHMALLOC_INIT(Statistics);
  detail::call(shmalloc_allocator_get_statistics, allocator.native(), &statistics);
  return statistics;
}

/** What to count anew; see shmalloc_reset_flags. */
enum class Reset : std::uint32_t { all = 0, peaks = SHMALLOC_RESET_PEAKS, accumulated = SHMALLOC_RESET_ACCUMULATED };
template <>
struct IsFlags<Reset> : std::true_type {};

inline void reset_statistics(const Allocator &allocator, Reset what = Reset::all) {
  if (!allocator) throw ClosedError("this allocator is empty");
  detail::call(shmalloc_allocator_reset_statistics, allocator.native(), static_cast<std::uint32_t>(what));
}

/** How history is recorded. */
struct HistoryOptions {
  bool record = true;            /**< false ends it, and what was recorded stays */
  bool clear = false;            /**< forget what was recorded before */
  std::uint64_t max_entries = 0; /**< the newest so many are kept; 0: 100000 */
};

/** Record what is made, released, given back, and could not be made. snapshot() tells. */
inline void record_history(const Allocator &allocator, const HistoryOptions &options = {}) {
  if (!allocator) throw ClosedError("this allocator is empty");
  auto params = SHMALLOC_INIT(shmalloc_history_params);
  params.max_entries = options.max_entries;
  params.flags = detail::bit_if(options.record, SHMALLOC_HISTORY_RECORD) | detail::bit_if(options.clear, SHMALLOC_HISTORY_CLEAR);
  detail::call(shmalloc_allocator_record_history, allocator.native(), &params);
}

/** What an allocator has now, and its history: JSON with PyTorch's keys, in a storage of private memory. */
inline Storage snapshot_storage(const Allocator &allocator, const Allocator &to = {}) {
  if (!allocator) throw ClosedError("this allocator is empty");
  auto params = SHMALLOC_INIT(shmalloc_snapshot_params);
  params.format = SHMALLOC_SNAPSHOT_FORMAT_JSON;
  shmalloc_storage *made = nullptr;
  detail::call(shmalloc_allocator_snapshot, allocator.native(), &params, to.native(), &made);
  return Storage::take(made);
}

/** The same as text. */
inline std::string snapshot(const Allocator &allocator) {
  const Storage storage = snapshot_storage(allocator);
  const ConstView view = storage.view();
  return {reinterpret_cast<const char *>(view.data()), view.size()};
}

}  // namespace v0
}  // namespace shmalloc

#endif
