// The running library describes itself: every constant, size and offset of its header by name. The rows are made from the headers when
// the library is built, sorted by name.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "boundary.hpp"
#include "shmalloc/dlpack.h"
#include "shmalloc/torch.h"

namespace {

struct Row {
  std::string_view name;
  std::int64_t value;
};

constexpr Row kRows[] = {
#include "abi_table.inc"
};

}  // namespace

shmalloc_status shmalloc_abi_lookup(const char *name, int64_t *out_value, shmalloc_error *err) {
  using namespace shmalloc;  // NOLINT(google-build-using-namespace)
  return guard(err, [&]() -> Result<void> {
    if (name == nullptr) return missing("name");
    if (out_value == nullptr) return missing("out_value");
    const std::string_view wanted(name);
    const auto *row =
        std::lower_bound(std::begin(kRows), std::end(kRows), wanted, [](const Row &a, std::string_view b) { return a.name < b; });
    if (row == std::end(kRows) || row->name != wanted) {
      return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "the header of shmalloc %s has no \"%.100s\"", SHMALLOC_VERSION_TEXT, name);
    }
    *out_value = row->value;
    return {};
  });
}
