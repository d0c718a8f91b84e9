#include "storage/survey.hpp"

#include "storage/lingering.hpp"
#include "storage/storage.hpp"
#include "trace/snapshot.hpp"

namespace shmalloc {
namespace {

struct Search {
  const trace::Recorder &recorder;
  std::vector<trace::Found> found;
};

void look_at(Memory &memory, void *to) {
  auto &search = *static_cast<Search *>(to);
  const trace::Account::Facts &facts = memory.account.facts();
  if (!memory.account.belongs_to(search.recorder) || facts.block == 0) return;
  trace::Found found;
  found.block = {.address = facts.address,
                 .size = facts.block,
                 .requested = facts.requested,
                 .storage_id = facts.storage_id,
                 .state = memory.account.kept() ? trace::BlockState::pending : trace::BlockState::active};
  found.stream = facts.stream;
  found.pool = facts.pool;
  if (const SharedObject *object = memory.object(); object != nullptr && object->named) found.name = object->path;
  search.found.push_back(std::move(found));
}

}  // namespace

std::string survey(Allocator &allocator) {
  trace::Recorder &recorder = allocator.recorder();
  Search search{recorder, {}};
  std::vector<trace::Segment> segments;
  std::optional<trace::Recorded> history;
  const bool own = allocator.visit_segments(&segments, &history);
  {
    // Held to the end of the search, so none of them is found a second time among what lingers.
    const std::vector<Ref<Storage>> storages = Storage::all();
    for (const Ref<Storage> &storage : storages) {
      static_cast<void>(storage->with_memory([&](Memory &memory) -> Result<void> {
        look_at(memory, &search);
        return {};
      }));
    }
    visit_lingering(look_at, &search);
  }
  trace::arrange(&segments, own, &search.found);
  std::uint64_t active = 0;
  for (const trace::Segment &segment : segments) {
    for (const trace::Block &block : segment.blocks) active += block.state != trace::BlockState::inactive ? block.size : 0;
  }
  recorder.note(trace::Action::snapshot, 0, active, 0, 0);
  trace::Recorded now = recorder.history.copy();
  if (!history) {
    history = std::move(now);
  } else if (!now.entries.empty() && now.entries.back().action == trace::Action::snapshot) {
    history->entries.push_back(now.entries.back());
  }
  shmalloc_statistics statistics{};
  allocator.fill_statistics(&statistics);
  const trace::Subject subject{
      .id = allocator.id(), .kind = allocator.kind(), .name = allocator.name(), .config = allocator.all_settings()};
  return trace::write_snapshot(subject, segments, *history, statistics);
}

}  // namespace shmalloc
