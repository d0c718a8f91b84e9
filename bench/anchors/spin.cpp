#include "anchors/spin.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>

#include "harness/check.hpp"
#include "harness/clock.hpp"

namespace bench {

namespace {

long futex(std::atomic<std::uint32_t> &word, int what, std::uint32_t value) {
  return syscall(SYS_futex, &word, what, value, nullptr, nullptr, 0);
}

}  // namespace

void sleep_until(std::atomic<std::uint32_t> &word, std::uint32_t value) {
  for (std::uint32_t now; (now = word.load(std::memory_order_acquire)) != value;) futex(word, FUTEX_WAIT, now);
}

void wake(std::atomic<std::uint32_t> &word) { futex(word, FUTEX_WAKE, 1); }

SpinningPeer::SpinningPeer(int cpu, std::function<void(Mailbox &mailbox, std::uint32_t times)> serve) {
  void *memory = mmap(nullptr, sizeof(Mailbox), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap of a mailbox");
  mailbox_ = new (memory) Mailbox{};
  peer_ = new Peer(cpu, SOCK_SEQPACKET, [this, serve](int socket) {
    std::uint32_t times = 0;
    while (read(socket, &times, sizeof times) == sizeof times) {
      write_token(socket);
      serve(*mailbox_, times);
    }
  });
}

SpinningPeer::~SpinningPeer() {
  delete peer_;
  munmap(mailbox_, sizeof *mailbox_);
}

double SpinningPeer::turn(long times, const std::function<void(Mailbox &mailbox, std::uint32_t times)> &act) const {
  mailbox_->there.store(0, std::memory_order_relaxed);
  mailbox_->back.store(0, std::memory_order_relaxed);
  const auto asked = static_cast<std::uint32_t>(times);
  check(write(peer_->socket(), &asked, sizeof asked) == sizeof asked, "write of a number to the peer");
  check(read_token(peer_->socket()), "a peer that is awake");
  const double begin = now_ns();
  act(*mailbox_, asked);
  return (now_ns() - begin) / static_cast<double>(times);
}

void ping(Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    mailbox.there.store(number, std::memory_order_release);
    spin_until(mailbox.back, number);
  }
}

void pong(Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    spin_until(mailbox.there, number);
    mailbox.back.store(number, std::memory_order_release);
  }
}

void ping_asleep(Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    mailbox.there.store(number, std::memory_order_release);
    wake(mailbox.there);
    sleep_until(mailbox.back, number);
  }
}

void pong_asleep(Mailbox &mailbox, std::uint32_t times) {
  for (std::uint32_t number = 1; number <= times; ++number) {
    sleep_until(mailbox.there, number);
    mailbox.back.store(number, std::memory_order_release);
    wake(mailbox.back);
  }
}

}  // namespace bench
