#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "api.hpp"
#include "commands.hpp"
#include "report.hpp"
#include "screen.hpp"
#include "signals.hpp"
#include "text.hpp"
#include "watch.hpp"

namespace shmalloc_tool {
namespace {

constexpr char kHelp[] = R"(Usage: shmalloc top [OPTION]...

Shows what 'ls' lists again and again, the largest objects first, with what
each has grown by since the look before; until q is pressed or a signal comes.
Where standard output is no terminal, one table after the other.

  -d, --delay=SECS     time between two looks (1)
  -n, --count=COUNT    end after so many looks
      --prefix=PREFIX  what names of shmalloc's making begin with (shmalloc)

With --json each look is one object on a line of its own.
)";

std::int64_t wall_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void print_json(std::uint64_t look, const std::vector<Watched> &seen, const Totals &totals) {
  JsonWriter out;
  out.object().key("look").size(look).key("time_ns").number(wall_ns()).key("objects").array();
  for (const Watched &watched : seen) {
    out.object();
    write_object_keys(out, watched.object);
    out.key("growth");
    if (watched.growth) {
      out.number(*watched.growth);
    } else {
      out.null();
    }
    out.end();
  }
  out.end().key("totals").object();
  out.key("objects").size(totals.objects).key("size").size(totals.size).key("resident").size(totals.resident);
  out.key("growth").number(totals.growth).key("abandoned").size(totals.abandoned);
  out.key("added").size(totals.added).key("gone").size(totals.gone).end().end();
  std::printf("%s\n", out.str().c_str());
}

std::vector<std::string> lines_of(const std::vector<Watched> &seen, const Totals &totals) {
  std::string summary = format_time(wall_ns()) + "  " + std::to_string(totals.objects) +
                        (totals.objects == 1 ? " object, " : " objects, ") + format_size(totals.size) + ", resident " +
                        format_size(totals.resident);
  if (totals.growth != 0) summary += " (" + format_growth(totals.growth) + ")";
  for (const auto &[count, word] : {std::pair(totals.abandoned, "abandoned"), {totals.added, "new"}, {totals.gone, "gone"}})
    if (count != 0) summary += ", " + std::to_string(count) + " " + word;
  Table table({"NAME", "MAKER", "SIZE", "RESIDENT", "GROWTH", "HOLDERS", "PID", "STATE"});
  for (const std::size_t column : {2, 3, 4, 5, 6}) table.right(column);
  for (const Watched &watched : seen) {
    const shmalloc_object_info &object = watched.object;
    table.row({printable(object.name), maker_name(object.maker), format_size(object.size), format_size(object.resident),
               format_growth(watched.growth.value_or(0)), std::to_string(object.holders),
               object.holder_pid != 0 ? std::to_string(object.holder_pid) : "-", held_word(object.state)});
  }
  std::vector<std::string> lines = {summary};
  for (std::string &line : table.lines()) lines.push_back(std::move(line));
  return lines;
}

// Until the time is over, or the user wants an end: true.
bool ended(std::int64_t delay_ns, const StopSignals &signals, int keys) {
  const std::int64_t end = monotonic_ns() + delay_ns;
  for (;;) {
    const std::int64_t left = end - monotonic_ns();
    if (left <= 0) return false;
    pollfd wait[] = {{signals.fd(), POLLIN, 0}, {keys, POLLIN, 0}};
    // Rounded up: with 0 we would go round and round for the last part of a millisecond.
    const std::int64_t ms = std::min<std::int64_t>((left + 999999) / 1000000, 1000000);
    if (poll(wait, 2, static_cast<int>(ms)) < 0 && errno != EINTR) fail_errno(errno, "can't wait for the next look");
    if (signals.take() != 0) return true;
    if (wait[1].revents == 0) continue;
    char key = 0;
    const ssize_t got = read(keys, &key, 1);
    if (got == 1 && (key == 'q' || key == 'Q')) return true;
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return true;  // The terminal is gone.
  }
}

int run(const Arguments &arguments, bool json) {
  arguments.none();
  const std::int64_t delay_ns = arguments.has("delay") ? arguments.nanoseconds("delay") : INT64_C(1000000000);
  const std::uint64_t count = arguments.has("count") ? arguments.number("count", 10, UINT64_MAX) : UINT64_MAX;
  if (count == 0) fail_usage("option '--count': there is at least 1 look");
  const StopSignals signals;
  Watch watch;
  std::vector<Watched> seen = watch.look(shared_objects(prefix_of(arguments)));  // May fail, before the screen is taken over.
  Screen screen(json ? Screen::Wish::kNever : Screen::Wish::kTerminal);
  for (std::uint64_t look = 1;; ++look) {
    if (json) {
      print_json(look, seen, watch.totals());
    } else if (const auto lines = lines_of(seen, watch.totals()); screen.active()) {
      screen.show(lines);
    } else {
      for (const std::string &line : lines) std::printf("%s\n", line.c_str());
    }
    if (std::fflush(stdout) != 0) fail_errno(errno, "can't write to standard output");
    if (look == count || ended(delay_ns, signals, screen.keys())) return kOk;
    if (!json && !screen.active()) std::printf("\n");
    seen = watch.look(shared_objects(prefix_of(arguments)));
  }
}

}  // namespace

Command command_top() {
  return {"top",
          "watch shared objects: sizes, holders, what grows",
          kHelp,
          {{"delay", 'd', "SECS"}, {"count", 'n', "COUNT"}, {"prefix", 0, "PREFIX"}},
          run};
}

}  // namespace shmalloc_tool
