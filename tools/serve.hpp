// Holding a storage until somebody or something says that it is enough.
#pragma once

#include <cstdint>

#include "api.hpp"
#include "signals.hpp"
#include "socket.hpp"

namespace shmalloc_tool {

struct ServeParams {
  std::int64_t timeout_ns = 0;  // 0: no end
  std::uint64_t clients = 0;    // of the socket; 0: any number
  bool until_eof = false;       // of standard input
  bool read_only = false;       // what the clients get
  bool json = false;            // how failures are told
  const ListeningSocket *socket = nullptr;
};

// Returns when a signal came, the time is over, the clients have been served or standard input has ended.
void serve(const Storage &storage, const StopSignals &signals, const ServeParams &params);

}  // namespace shmalloc_tool
