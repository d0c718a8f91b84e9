// A table of functions that was found to be good, and its calls: each answer is looked at before it counts for one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"
#include "shmalloc/backend.h"

namespace shmalloc::device {

class FunctionTable {
 public:
  static Result<void> check(const shmalloc_backend &table);

  // It was checked.
  FunctionTable(const shmalloc_backend &table, void *userdata);
  FunctionTable(const FunctionTable &) = delete;
  FunctionTable &operator=(const FunctionTable &) = delete;

  const shmalloc_backend &of() const { return table_; }
  const char *name() const { return name_; }
  void *userdata() const { return userdata_; }
  bool has_streams() const { return table_.stream_create != nullptr; }
  bool has_pages() const { return table_.virtual_reserve != nullptr; }
  bool host_access() const { return (table_.capabilities & SHMALLOC_CAPABILITY_HOST_ACCESS) != 0; }

  // A function of the table, which is there. `function` is its name in errors.
  template <class F, class... Arguments>
  Result<void> call(const char *function, F *pointer, Arguments... arguments) const {
    const std::int32_t code = pointer(arguments..., userdata_);
    return code == 0 ? Result<void>() : failed(function, code);
  }
  // The same for one that makes a number: never 0.
  Result<std::uint64_t> make(const char *function, shmalloc_backend_make_fn pointer, std::uint64_t size) const;
  // The same for a question.
  Result<bool> ask(const char *function, shmalloc_backend_query_fn pointer, std::uint64_t number) const;

  // A function gave what can't be.
  Error wrong(const char *function, std::uint64_t number, const char *what) const;
  Error missing(const char *function) const;

 private:
  Error failed(const char *function, std::int32_t code) const;

  char name_[64];
  shmalloc_backend table_;
  void *userdata_;
};

}  // namespace shmalloc::device
