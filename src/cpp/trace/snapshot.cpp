#include "trace/snapshot.hpp"

#include <algorithm>
#include <cinttypes>

#include "base/text.hpp"
#include "os/calls.hpp"
#include "os/process.hpp"

namespace shmalloc::trace {
namespace {

// Text of others' making: names and paths may hold any bytes.
void append_clean(std::string &json, std::string text) {
  make_clean(text.data());
  append_json(json, text);
}

void comma(std::string &json) {
  if (json.back() != '[' && json.back() != '{') json += ',';
}

void write_block(std::string &json, const Block &block) {
  static constexpr const char *kStates[] = {"active_allocated", "active_pending_free", "inactive"};
  append(json, R"({"address":%)" PRIu64 R"(,"size":%)" PRIu64 R"(,"requested_size":%)" PRIu64, block.address, block.size,
         block.requested);
  append(json, R"(,"state":"%s","frames":[],"storage_id":%)" PRIu64 "}", kStates[static_cast<int>(block.state)], block.storage_id);
}

void write_segment(std::string &json, const Segment &segment) {
  std::uint64_t allocated = 0;
  std::uint64_t active = 0;
  std::uint64_t requested = 0;
  for (const Block &block : segment.blocks) {
    if (block.state == BlockState::active) allocated += block.size;
    if (block.state != BlockState::inactive) {
      active += block.size;
      requested += block.requested;
    }
  }
  append(json, R"({"device":0,"address":%)" PRIu64 R"(,"total_size":%)" PRIu64 R"(,"allocated_size":%)" PRIu64, segment.address,
         segment.size, allocated);
  append(json, R"(,"active_size":%)" PRIu64 R"(,"requested_size":%)" PRIu64 R"(,"stream":%)" PRIu64, active, requested,
         segment.stream);
  append(json, R"(,"segment_type":"%s","segment_pool_id":[0,0],"is_expandable":%s,"frames":[],"name":)",
         segment.pool == SHMALLOC_STAT_POOL_SMALL ? "small" : "large", segment.expandable ? "true" : "false");
  if (segment.name.empty()) {
    json += "null";
  } else {
    append_clean(json, segment.name);
  }
  json += R"(,"blocks":[)";
  for (const Block &block : segment.blocks) {
    comma(json);
    write_block(json, block);
  }
  json += "]}";
}

void write_entry(std::string &json, const Entry &entry) {
  append(json, R"({"action":"%s","%s":%)" PRIu64 R"(,"size":%)" PRIu64, action_name(entry.action),
         entry.action == Action::oom ? "device_free" : "addr", entry.address, entry.size);
  append(json, R"(,"stream":%)" PRIu64 R"(,"time_us":%)" PRId64 R"(,"compile_context":"N/A","user_metadata":"","frames":[])",
         entry.stream, entry.time_ns / 1000);
  append(json, R"(,"thread":%)" PRId32 R"(,"storage_id":%)" PRIu64 "}", entry.thread, entry.storage_id);
}

void write_stat(std::string &json, const char *name, const shmalloc_stat &stat) {
  comma(json);
  append(json, R"("%s":{"current":%)" PRId64 R"(,"peak":%)" PRId64 R"(,"allocated":%)" PRId64 R"(,"freed":%)" PRId64 "}", name,
         stat.current, stat.peak, stat.allocated, stat.freed);
}

void write_statistics(std::string &json, const shmalloc_statistics &statistics) {
  const struct {
    const char *name;
    const shmalloc_stat *pools;
  } arrays[] = {{"allocation", statistics.allocation},
                {"segment", statistics.segment},
                {"active", statistics.active},
                {"inactive_split", statistics.inactive_split},
                {"allocated_bytes", statistics.allocated_bytes},
                {"reserved_bytes", statistics.reserved_bytes},
                {"active_bytes", statistics.active_bytes},
                {"inactive_split_bytes", statistics.inactive_split_bytes},
                {"requested_bytes", statistics.requested_bytes}};
  json += '{';
  for (const auto &array : arrays) {
    comma(json);
    append(json, "\"%s\":{", array.name);
    write_stat(json, "all", array.pools[SHMALLOC_STAT_POOL_ALL]);
    write_stat(json, "small_pool", array.pools[SHMALLOC_STAT_POOL_SMALL]);
    write_stat(json, "large_pool", array.pools[SHMALLOC_STAT_POOL_LARGE]);
    json += '}';
  }
  write_stat(json, "oversize_allocations", statistics.oversize_allocations);
  write_stat(json, "oversize_segments", statistics.oversize_segments);
  write_stat(json, "pending", statistics.pending);
  write_stat(json, "pending_bytes", statistics.pending_bytes);
  const struct {
    const char *name;
    std::int64_t value;
  } numbers[] = {{"num_alloc_retries", statistics.num_alloc_retries},       {"num_ooms", statistics.num_ooms},
                 {"num_sync_all_streams", statistics.num_sync_all_streams}, {"num_device_alloc", statistics.num_device_alloc},
                 {"num_device_free", statistics.num_device_free},           {"max_split_size", statistics.max_split_size}};
  for (const auto &number : numbers) append(json, ",\"%s\":%" PRId64, number.name, number.value);
  json += '}';
}

void fill_gaps(Segment *segment) {
  std::vector<Block> tiled;
  std::uint64_t at = segment->address;
  const auto free_until = [&](std::uint64_t end) {
    if (end > at) tiled.push_back({.address = at, .size = end - at, .state = BlockState::inactive});
  };
  for (const Block &block : segment->blocks) {
    free_until(block.address);
    tiled.push_back(block);
    at = block.address + block.size;
  }
  free_until(segment->address + segment->size);
  segment->blocks = std::move(tiled);
}

}  // namespace

void arrange(std::vector<Segment> *segments, bool own, std::vector<Found> *found) {
  if (!own) {
    for (Found &one : *found) {
      segments->push_back({.address = one.block.address,
                           .size = one.block.size,
                           .stream = one.stream,
                           .pool = one.pool,
                           .name = std::move(one.name),
                           .blocks = {one.block}});
    }
  }
  std::sort(segments->begin(), segments->end(), [](const Segment &a, const Segment &b) { return a.address < b.address; });
  if (own) {
    for (const Found &one : *found) {
      auto after = std::upper_bound(segments->begin(), segments->end(), one.block.address,
                                    [](std::uint64_t address, const Segment &segment) { return address < segment.address; });
      if (after == segments->begin()) continue;
      Segment &around = *--after;
      // A segment made after the list of segments was: its block is left out, as the segment is.
      if (one.block.address - around.address < around.size) around.blocks.push_back(one.block);
    }
  }
  for (Segment &segment : *segments) {
    std::sort(segment.blocks.begin(), segment.blocks.end(), [](const Block &a, const Block &b) { return a.address < b.address; });
    if (own) fill_gaps(&segment);
  }
}

std::string write_snapshot(const Subject &subject, const std::vector<Segment> &segments, const Recorded &history,
                           const shmalloc_statistics &statistics) {
  std::string json = R"({"segments":[)";
  for (const Segment &segment : segments) {
    comma(json);
    write_segment(json, segment);
  }
  json += R"(],"device_traces":[[)";
  for (const Entry &entry : history.entries) {
    comma(json);
    write_entry(json, entry);
  }
  json += R"(]],"allocator_settings":{"PYTORCH_CUDA_ALLOC_CONF":"",)";
  append(json, R"("max_split_size":%)" PRId64 R"(,"garbage_collection_threshold":0.0,"expandable_segments":false,)",
         statistics.max_split_size);
  json += R"("pinned_num_register_threads":1,"release_lock_on_cudamalloc":false,"pinned_use_cuda_host_register":false,)";
  json += R"("graph_capture_record_stream_reuse":false,"roundup_power2_divisions":{},"config":)";
  append_clean(json, subject.config);
  json += R"(},"external_annotations":[],"shmalloc":{"version":")" SHMALLOC_VERSION_TEXT R"(",)";
  append(json, R"("pid":%d,"time_us":%)" PRId64, static_cast<int>(os::calls.getpid()), os::wall_now() / 1000);
  append(json, R"(,"allocator":{"id":%)" PRIu64 R"(,"kind":%d,"name":)", subject.id, subject.kind);
  append_clean(json, subject.name);
  append(json, R"(},"history":{"recording":%s,"entries":%zu,"dropped":%)" PRIu64 R"(,"max_entries":%)" PRIu64 R"(},"statistics":)",
         history.recording ? "true" : "false", history.entries.size(), history.dropped, history.max_entries);
  write_statistics(json, statistics);
  json += "}}\n";
  return json;
}

}  // namespace shmalloc::trace
