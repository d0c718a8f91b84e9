// Addresses without memory, memory without addresses. Sizes, ranges and memories are looked at here; what is mapped where is the table's.
#include "base/text.hpp"
#include "device/custom/state.hpp"
#include "shmalloc/storage.h"

namespace shmalloc::device {

Result<void> CustomDevice::State::check_pages(std::uint64_t size) const {
  SHMALLOC_CHECK(ready());
  if (!table.has_pages()) return table.missing("virtual_reserve");
  const std::uint64_t page = table.of().page_size;
  if (size != 0 && size % page == 0) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "%s is not a multiple of the pages of device \"%s\", %s", size_text(size).text,
              table.name(), size_text(page).text);
}

Result<void> CustomDevice::State::check_range(Address address, std::uint64_t size) {
  SHMALLOC_CHECK(check_pages(size));
  if (address % table.of().page_size == 0 && ranges.covers(address, size)) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0,
              "%#llx and what follows is not in a reserved range of device \"%s\", or not at a page of it",
              static_cast<unsigned long long>(address), table.name());
}

Result<Address> CustomDevice::reserve(std::size_t size) {
  SHMALLOC_CHECK(state_->check_pages(size));
  const FunctionTable &table = state_->table;
  const auto unfit = [&](Address address) -> const char * {
    if (address % table.of().page_size != 0) return "which is no multiple of its page_size";
    return address + size < address ? "an address with fewer bytes behind it" : nullptr;
  };
  const auto undo = [&](Address address) {
    return table.call("virtual_unreserve", table.of().virtual_unreserve, address, std::uint64_t{size});
  };
  return state_->make(state_->ranges, "virtual_reserve", table.of().virtual_reserve, size, unfit, undo);
}

Result<void> CustomDevice::unreserve(Address address, std::size_t size) {
  SHMALLOC_CHECK(state_->check_pages(size));
  const FunctionTable &table = state_->table;
  return state_->end(state_->ranges, "addresses at", address, [&](std::uint64_t whole) -> Result<void> {
    if (whole != size) {
      return fail(SHMALLOC_STATUS_INVALID, 0, "%s were reserved at %#llx, and are given back whole", size_text(whole).text,
                  static_cast<unsigned long long>(address));
    }
    return table.call("virtual_unreserve", table.of().virtual_unreserve, address, whole);
  });
}

Result<Physical> CustomDevice::create(std::size_t size) {
  SHMALLOC_CHECK(state_->check_pages(size));
  const FunctionTable &table = state_->table;
  const auto unfit = [](std::uint64_t) -> const char * { return nullptr; };
  SHMALLOC_TRY(memory, state_->make(state_->memories, "virtual_create", table.of().virtual_create, size, unfit, unfit));
  return Physical{memory};
}

Result<void> CustomDevice::destroy(Physical physical) {
  const FunctionTable &table = state_->table;
  SHMALLOC_CHECK(state_->check_pages(table.of().page_size));
  const auto number = static_cast<std::uint64_t>(physical);
  return state_->end(state_->memories, "memory", number,
                     [&](std::uint64_t) { return table.call("virtual_destroy", table.of().virtual_destroy, number); });
}

Result<void> CustomDevice::map(Address address, std::size_t size, Physical physical) {
  SHMALLOC_CHECK(state_->check_range(address, size));
  const FunctionTable &table = state_->table;
  const auto number = static_cast<std::uint64_t>(physical);
  const std::optional<std::uint64_t> whole = state_->memories.find(number);
  if (!whole) return state_->none_such("memory", number);
  if (*whole != size) {
    return fail(SHMALLOC_STATUS_INVALID, 0, "memory of %s is mapped whole, not %s of it", size_text(*whole).text,
                size_text(size).text);
  }
  return table.call("virtual_map", table.of().virtual_map, address, std::uint64_t{size}, number);
}

Result<void> CustomDevice::unmap(Address address, std::size_t size) {
  SHMALLOC_CHECK(state_->check_range(address, size));
  const FunctionTable &table = state_->table;
  return table.call("virtual_unmap", table.of().virtual_unmap, address, std::uint64_t{size});
}

Result<void> CustomDevice::set_access(Address address, std::size_t size, Access access) {
  SHMALLOC_CHECK(state_->check_range(address, size));
  const FunctionTable &table = state_->table;
  const std::uint64_t what = access == Access::none ? 0 : access == Access::read ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE;
  return table.call("virtual_access", table.of().virtual_access, address, std::uint64_t{size}, what);
}

}  // namespace shmalloc::device
