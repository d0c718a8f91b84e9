// Kind MAP: each storage is one mapping of one object of the kernel's.
#pragma once

#include "allocators/allocator.hpp"
#include "allocators/map/flags.hpp"
#include "os/mapping.hpp"

namespace shmalloc {

// What is asked of a mapping, however it is called.
struct MapRequest {
  std::size_t size = 0;      // data bytes; 0: what exists
  std::uint64_t header = 0;  // bytes before the data, inside the object
  std::uint64_t offset = 0;  // of the mapping in the object
  std::size_t capacity = 0;
  std::uint64_t alignment = 0;
  std::uint64_t huge_page = 0;
  std::uint32_t mode = 0600;
  int numa_node = -1;
  int fd = -1;
  const char *name = nullptr;
  const char *prefix = "shmalloc";
  bool populate = false;
  // Runs on a new object when its bytes are mapped and before its name can be seen.
  void (*initialise)(void *base) = nullptr;
};

class MapMemory : public Memory {
 public:
  static Result<std::unique_ptr<MapMemory>> open(const Plan &plan, const MapRequest &request, std::unique_ptr<MapMemory> memory);

  ~MapMemory() override;
  Result<void> close(bool inherited) override;
  void discard() override;
  Result<void> grow(std::size_t wanted) override;
  Result<void> seal() override;
  SharedObject *object() override { return &object_; }
  Result<void> check_length() override;
  std::uint64_t block_size() const override;

 protected:
  void *base() const { return mapping_.base(); }
  bool created() const { return created_; }
  bool remove_at_close_ = false;  // our name, to be removed when we are done with it

 private:
  Result<void> open_object(const Plan &plan, const MapRequest &request);
  Result<void> open_shm(const Plan &plan, const MapRequest &request);
  Result<void> open_file(const Plan &plan, const MapRequest &request);
  Result<void> attach(const char *name);
  Result<void> set_size(const Plan &plan, const MapRequest &request, std::uint64_t *length);
  Result<void> map(const Plan &plan, const MapRequest &request, std::uint64_t length);
  Result<void> publish(const Plan &plan, const MapRequest &request);

  const char *what() const { return object_.path.empty() ? "a nameless object" : object_.path.c_str(); }

  SharedObject object_;
  os::Mapping mapping_;
  os::FileFacts facts_;
  std::uint64_t page_ = 0;
  os::Limits limits_;
  bool created_ = false;  // by us, so the name is ours to remove
  bool named_ = false;    // the name exists
  bool growable_ = false;
  std::uint64_t extended_to_ = 0;  // the length that we gave a file; cut back if we fail
};

class MapAllocator final : public Allocator {
 public:
  MapAllocator() : Allocator(SHMALLOC_ALLOCATOR_KIND_MAP, kMapKeys) {}
  Result<std::unique_ptr<Memory>> make(std::size_t size, std::uint64_t /*stream*/, const shmalloc_storage_params &params) override;
  std::uint32_t capabilities() const override;
  std::uint64_t alignment() const override { return os::page_size(); }
};

// Checks the fields and fills a request; what differs between the kinds is left to them.
Result<MapRequest> make_request(std::size_t size, const shmalloc_storage_params &params, const Settings &settings);

// A new name "/prefix_pid_random_counter" for a shm object.
Result<std::string> new_name(const char *prefix);
// The path of a shm object by its name, with or without the leading slash.
Result<std::string> shm_path(const char *name);

}  // namespace shmalloc
