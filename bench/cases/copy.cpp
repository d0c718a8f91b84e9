// Copying between two storages, against the same bytes copied without asking anybody.
#include "anchors/copy.hpp"

#include "cases/cases.hpp"
#include "cases/ours.hpp"
#include "harness/machine.hpp"

namespace bench {

namespace {

void copy_plainly(void *to, const void *from, std::size_t size) { std::memcpy(to, from, size); }

struct Way {
  const char *text;
  std::uint32_t mapped;
};

void measure_size(Options &options, std::size_t size, Way way) {
  const std::string label = size_text(size) + ", " + way.text;
  if (!wanted(options, "copy", label)) return;
  if (size >= 64 * MiB) warm_memory(2 * size);
  auto params = SHMALLOC_INIT(shmalloc_storage_params);
  params.mapped = way.mapped;
  shmalloc_storage *from = ours::create(opaque(size), &params, ours::mapping_allocator()),
                   *to = ours::create(opaque(size), &params, ours::mapping_allocator());
  void *out = shmalloc_storage_data(to);
  const void *in = shmalloc_storage_data(from);
  touch_pages(shmalloc_storage_data(from), 0, size);
  touch_pages(out, 0, size);

  const int rounds = size >= 64 * MiB ? options.heavy_rounds : options.rounds;
  Comparison comparison{"copy", label, {{"bytes", static_cast<double>(size)}}, {}, true};
  comparison.sides.push_back({"ours", timed([=] {
                                shmalloc_error error;
                                check(shmalloc_storage_copy(to, 0, from, 0, opaque(size), SHMALLOC_STREAM_DEFAULT, 0, &error),
                                      error, "shmalloc_storage_copy");
                              }),
                              rounds});
  const auto add = [&](const char *name, CopyFunction copy) {
    if (copy != nullptr) comparison.sides.push_back({name, timed([=] { copy(out, in, opaque(size)); }), rounds});
  };
  add("memcpy", copy_plainly);
  add("rep movsb", copy_by_string_instruction());
  add("non-temporal", copy_past_caches());
  measure(options, comparison);
  if (std::memcmp(in, out, size) != 0) stop("shmalloc_storage_copy", "the bytes differ");
  shmalloc_storage_release(from);
  shmalloc_storage_release(to);
}

}  // namespace

void measure_copy(Options &options) {
  const Way sealed{"sealed", 0}, unsealed{"shm object", SHMALLOC_MAPPED_SHAREDMEM};
  for (const std::size_t size : {256 * KiB, 16 * MiB, 512 * MiB}) {
    if (options.quick && size > 16 * MiB) continue;
    for (const Way way : {sealed, unsealed}) measure_size(options, size, way);
  }
}

}  // namespace bench
