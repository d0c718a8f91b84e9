// Memory and events of other processes.
#include <unistd.h>

#include <cstring>

#include "operation.hpp"

using namespace sim;

namespace {

constexpr std::uint32_t kMemory = 0x6d656d31, kEvent = 0x65767431;

// What lies in a handle's 64 bytes.
struct Ticket {
  std::uint32_t kind;
  std::int32_t process;
  std::uint64_t world;
  BlockName name;
  std::uint64_t size;
};

template <class Handle>
void write_ticket(State &s, Handle *out, std::uint32_t kind, BlockName name, std::uint64_t size) {
  static_assert(sizeof(Ticket) <= sizeof(Handle));
  const Ticket ticket{kind, getpid(), s.world.shared().id, name, size};
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &ticket, sizeof ticket);
}

template <class Handle>
CUresult read_ticket(State &s, const Handle &handle, std::uint32_t kind, Ticket *out) {
  std::memcpy(static_cast<void *>(out), &handle, sizeof *out);
  if (out->kind != kind || out->world != s.world.shared().id) return CUDA_ERROR_INVALID_VALUE;
  return out->process == getpid() ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

}  // namespace

CUresult CUDAAPI cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr address) {
  return call("cuIpcGetMemHandle", Needs::context, [&](State &s, Lock &) -> CUresult {
    const Range *range = s.memory.find(address);
    if (out == nullptr || range == nullptr || range->kind != Kind::plain) return CUDA_ERROR_INVALID_VALUE;
    write_ticket(s, out, kMemory, range->block->name, range->size);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuIpcOpenMemHandle(CUdeviceptr *out, CUipcMemHandle handle, unsigned flags) {
  return call("cuIpcOpenMemHandle", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    Ticket ticket;
    const CUresult wrong = read_ticket(s, handle, kMemory, &ticket);
    if (wrong != CUDA_SUCCESS) return wrong;
    if (!s.world.hold(ticket.name)) return CUDA_ERROR_INVALID_VALUE;
    const BlockRef block = s.memory.adopt(ticket.name);
    Context *context = s.current();
    for (auto &[base, range] : s.memory.ranges()) {
      if (range.kind != Kind::imported || range.block != block || range.context != context) continue;
      ++range.opened;
      *out = base;
      return CUDA_SUCCESS;
    }
    Range range;
    range.size = ticket.size;
    range.block = block;
    range.kind = Kind::imported;
    range.context = context;
    range.opened = 1;
    range.readers = range.writers = 1U << context->device | 1U << block->device;
    *out = s.memory.place(std::move(range), kPage);
    return *out != 0 ? CUDA_SUCCESS : CUDA_ERROR_MAP_FAILED;
  });
}

CUresult CUDAAPI cuIpcCloseMemHandle(CUdeviceptr address) {
  return call("cuIpcCloseMemHandle", Needs::context, [&](State &s, Lock &lock) -> CUresult {
    Range *range = s.memory.at(address);
    if (range == nullptr || range->kind != Kind::imported) {
      s.mistake(Mistake::bad_handle, "%#llx is closed, where nothing is open (any more)", address);
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (--range->opened != 0) return CUDA_SUCCESS;
    if (in_use(*range->block, s.host)) s.mistake(Mistake::busy_free, "%#llx is closed while work uses it", address);
    s.wait_idle(lock, nullptr);
    range = s.memory.at(address);
    if (range != nullptr && range->kind == Kind::imported && range->opened == 0) s.memory.remove(address);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuIpcGetEventHandle(CUipcEventHandle *out, CUevent handle) {
  return call("cuIpcGetEventHandle", Needs::context, [&](State &s, Lock &) -> CUresult {
    const auto event = s.event(handle);
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (event == nullptr || !event->shared) return CUDA_ERROR_INVALID_HANDLE;
    write_ticket(s, out, kEvent, *event->shared, 0);
    return CUDA_SUCCESS;
  });
}

CUresult CUDAAPI cuIpcOpenEventHandle(CUevent *out, CUipcEventHandle handle) {
  return call("cuIpcOpenEventHandle", Needs::context, [&](State &s, Lock &) -> CUresult {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    Ticket ticket;
    const CUresult wrong = read_ticket(s, handle, kEvent, &ticket);
    if (wrong != CUDA_SUCCESS) return wrong;
    if (!s.world.hold_event(ticket.name)) return CUDA_ERROR_INVALID_HANDLE;
    auto event = std::make_shared<Event>();
    event->context = s.current();
    event->flags = CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    event->shared = ticket.name;
    *out = as_handle<CUevent>(s.events.add(std::move(event)));
    return CUDA_SUCCESS;
  });
}
