#include "serve.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "progress.hpp"
#include "report.hpp"

namespace shmalloc_tool {
namespace {

bool stdin_ended() {
  char ignored[4096];
  const ssize_t got = read(STDIN_FILENO, ignored, sizeof ignored);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

// One client: the message fits a new socket's buffer, so that no client can make the others wait.
bool serve_client(const Storage &storage, const ListeningSocket &socket, bool read_only) {
  const Descriptor client = socket.accept();
  if (!client) return false;
  auto how = SHMALLOC_INIT(shmalloc_export_params);
  how.flags = read_only ? SHMALLOC_EXPORT_READ_ONLY : 0;
  shmalloc_storage *one = storage.get();
  shmalloc_error error{};
  const shmalloc_status status = shmalloc_storage_send(client.get(), &one, 1, &how, &error);
  if (status == SHMALLOC_STATUS_PEER_GONE) return false;
  check(status, error);
  return true;
}

}  // namespace

void serve(const Storage &storage, const StopSignals &signals, const ServeParams &params) {
  constexpr std::int64_t kNever = INT64_MAX;
  const std::int64_t deadline = params.timeout_ns > 0 ? monotonic_ns() + params.timeout_ns : kNever;
  std::int64_t pause = 0;  // until then no client is taken: there was no descriptor or memory for one
  std::uint64_t served = 0;
  for (;;) {
    const std::int64_t now = monotonic_ns();
    if (now >= deadline) return;
    const bool pausing = now < pause;
    const std::int64_t wake = pausing ? std::min(pause, deadline) : deadline;
    const std::int64_t wait_ms = wake == kNever ? -1 : std::min<std::int64_t>((wake - now + 999999) / 1000000, INT32_MAX);

    pollfd polled[] = {{signals.fd(), POLLIN, 0},
                       {params.until_eof ? STDIN_FILENO : -1, POLLIN, 0},
                       {params.socket != nullptr && !pausing ? params.socket->fd() : -1, POLLIN, 0}};
    if (poll(polled, std::size(polled), static_cast<int>(wait_ms)) < 0 && errno != EINTR) fail_errno(errno, "can't wait");
    if (polled[0].revents != 0 && signals.take() != 0) return;
    if (polled[1].revents != 0 && stdin_ended()) return;
    if (polled[2].revents != 0 && params.socket != nullptr) {
      try {
        if (serve_client(storage, *params.socket, params.read_only) && ++served == params.clients) return;
      } catch (const Failure &failure) {
        // One client that could not be served is no reason to leave the others.
        tell(failure, "put", params.json);
        pause = monotonic_ns() + INT64_C(100000000);
      }
    }
  }
}

}  // namespace shmalloc_tool
