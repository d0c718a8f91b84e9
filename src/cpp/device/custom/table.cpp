#include "device/custom/table.hpp"

#include <bit>
#include <cstring>
#include <initializer_list>

namespace shmalloc::device {
namespace {

constexpr std::uint64_t kUsualAlignment = 16;

struct Named {
  const char *name;
  bool is_there;
};

Result<void> all_or_none(const char *what, std::initializer_list<Named> functions) {
  const char *there = nullptr;
  const char *missing = nullptr;
  for (const Named &one : functions) (one.is_there ? there : missing) = one.name;
  if (there == nullptr || missing == nullptr) return {};
  return fail(SHMALLOC_STATUS_INVALID, 0, "the table has %s but not %s: functions for %s are there all or none", there, missing,
              what);
}

#define NAMED(function) \
  Named { #function, table.function != nullptr }

Result<void> check_functions(const shmalloc_backend &table) {
  for (const Named &one : {NAMED(allocate), NAMED(deallocate)}) {
    if (!one.is_there) return fail(SHMALLOC_STATUS_INVALID, 0, "the table has no %s, which every device needs", one.name);
  }
  SHMALLOC_CHECK(all_or_none("streams and events", {NAMED(stream_create), NAMED(stream_destroy), NAMED(stream_synchronize),
                                                    NAMED(stream_wait), NAMED(event_create), NAMED(event_destroy),
                                                    NAMED(event_record), NAMED(event_query), NAMED(event_synchronize)}));
  return all_or_none("virtual memory", {NAMED(virtual_reserve), NAMED(virtual_unreserve), NAMED(virtual_create),
                                        NAMED(virtual_destroy), NAMED(virtual_map), NAMED(virtual_unmap), NAMED(virtual_access)});
}
#undef NAMED

}  // namespace

Result<void> FunctionTable::check(const shmalloc_backend &table) {
  const std::size_t length = table.name != nullptr ? strnlen(table.name, sizeof name_) : 0;
  if (length == 0 || length == sizeof name_)
    return fail(SHMALLOC_STATUS_INVALID, 0, "name: a device's has 1 to %zu bytes", sizeof name_ - 1);
  if (table.alignment != 0 && !std::has_single_bit(table.alignment))
    return fail(SHMALLOC_STATUS_INVALID, 0, "alignment is %llu, which is no power of two",
                static_cast<unsigned long long>(table.alignment));
  if ((table.capabilities & ~std::uint32_t{SHMALLOC_CAPABILITY_HOST_ACCESS}) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "capabilities is %#x: only HOST_ACCESS is said there, the others are found out",
                table.capabilities);
  if (table.reserved != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "reserved must be 0");
  SHMALLOC_CHECK(check_functions(table));
  const bool pages = table.virtual_reserve != nullptr;
  if (pages ? !std::has_single_bit(table.page_size) : table.page_size != 0)
    return fail(SHMALLOC_STATUS_INVALID, 0, "page_size is %llu: a power of two with functions for virtual memory, 0 without them",
                static_cast<unsigned long long>(table.page_size));
  return {};
}

FunctionTable::FunctionTable(const shmalloc_backend &table, void *userdata) : table_(table), userdata_(userdata) {
  std::strncpy(name_, table.name, sizeof name_ - 1);
  name_[sizeof name_ - 1] = 0;
  make_clean(name_);
  table_.name = name_;
  if (table_.alignment == 0) table_.alignment = kUsualAlignment;
}

Error FunctionTable::failed(const char *function, std::int32_t code) const {
  if (code < 0 && code >= SHMALLOC_STATUS_INTERNAL) {
    const auto status = static_cast<Status>(code);
    return fail(status, 0, "device \"%s\": its function %s answers %s", name_, function, status_name(status));
  }
  Error error = fail(SHMALLOC_STATUS_BACKEND, 0, "device \"%s\": its function %s failed with code %d", name_, function, code);
  error.backend_error = code;
  return error;
}

Error FunctionTable::wrong(const char *function, std::uint64_t number, const char *what) const {
  return fail(SHMALLOC_STATUS_BACKEND, 0, "device \"%s\": its function %s gave %#llx, %s", name_, function,
              static_cast<unsigned long long>(number), what);
}

Error FunctionTable::missing(const char *function) const {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "device \"%s\" can't do that: its table has no function %s", name_, function);
}

Result<std::uint64_t> FunctionTable::make(const char *function, shmalloc_backend_make_fn pointer, std::uint64_t size) const {
  std::uint64_t number = 0;
  SHMALLOC_CHECK(call(function, pointer, size, &number));
  if (number == 0) return wrong(function, number, "though only the default stream is 0");
  return number;
}

Result<bool> FunctionTable::ask(const char *function, shmalloc_backend_query_fn pointer, std::uint64_t number) const {
  std::int32_t yes = -1;
  SHMALLOC_CHECK(call(function, pointer, number, &yes));
  if (yes != 0 && yes != 1) return wrong(function, static_cast<std::uint32_t>(yes), "neither 1 nor 0");
  return yes == 1;
}

}  // namespace shmalloc::device
