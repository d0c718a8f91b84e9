// One process of the tests in which every language shares with every other: does what the lines on its standard input say, and answers each
// with one line.
#include <iostream>
#include <map>
#include <shmalloc.hpp>
#include <sstream>

namespace {

using Clock = std::chrono::steady_clock;
using shmalloc::Storage;

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Nobody's memory is kept for handles that were given out.
shmalloc::ExportOptions unkept() {
  shmalloc::ExportOptions options;
  options.ttl = std::chrono::nanoseconds(0);
  return options;
}

std::byte pattern(std::size_t index, std::size_t seed) { return static_cast<std::byte>((index * 7 + seed) & 0xffU); }

class Peer {
 public:
  // The answer to one line.
  std::string answer(const std::string &line) {
    std::istringstream words(line);
    const auto order = word<std::string>(words);
    if (order == "make") return make(words);
    if (order == "share") return find(words).share(), "ok";
    if (order == "text") return "ok " + find(words).export_text(unkept());
    if (order == "open") return open(words);
    if (order == "send") return send(words);
    if (order == "receive") return receive(words);
    if (order == "check") return check(words);
    if (order == "fill") return fill(words);
    if (order == "release") return release(words);
    if (order == "time") return time(words);
    if (order == "quit") return quit();
    throw Failure("there is no order \"" + order + "\"");
  }

 private:
  template <class Word>
  static Word word(std::istringstream &words) {
    Word found;
    if (!(words >> found)) throw Failure("a word is missing or is none");
    return found;
  }

  Storage &find(std::istringstream &words) {
    const auto name = word<std::string>(words);
    const auto found = storages_.find(name);
    if (found == storages_.end()) throw Failure("there is no storage " + name);
    return found->second;
  }

  // One for each kind, for as long as the process lives.
  const shmalloc::Allocator &allocator(const std::string &kind) {
    using shmalloc::Kind;
    static const std::map<std::string, Kind> kinds{
        {"direct", Kind::direct}, {"map", Kind::map}, {"map_refcounted", Kind::map_refcounted}, {"shared", Kind::shared}};
    const auto found = kinds.find(kind == "isolated" ? "shared" : kind);
    if (found == kinds.end()) throw Failure("there is no kind " + kind);
    shmalloc::Allocator &allocator = allocators_[found->first];
    if (!allocator) allocator = shmalloc::Allocator(found->second);
    return allocator;
  }

  static void fill(Storage &storage, std::size_t seed) {
    const shmalloc::View view = storage.view();
    for (std::size_t i = 0; i < view.size(); ++i) view[i] = pattern(i, seed);
  }

  std::string fill(std::istringstream &words) {
    Storage &storage = find(words);
    fill(storage, word<std::size_t>(words));
    return "ok";
  }

  std::string make(std::istringstream &words) {
    const auto name = word<std::string>(words);
    const auto kind = word<std::string>(words);
    const auto size = word<std::size_t>(words);
    shmalloc::StorageOptions options;
    options.isolated = kind == "isolated";
    Storage storage(allocator(kind), size, options);
    fill(storage, word<std::size_t>(words));
    storages_[name] = std::move(storage);
    return "ok";
  }

  std::string open(std::istringstream &words) {
    const auto name = word<std::string>(words);
    Storage storage = Storage::import_text(word<std::string>(words));
    const std::size_t size = storage.size();
    storages_[name] = std::move(storage);
    return "ok " + std::to_string(size);
  }

  std::string send(std::istringstream &words) {
    const int socket = word<int>(words);
    std::vector<std::reference_wrapper<const Storage>> storages;
    while (words >> std::ws && !words.eof()) storages.emplace_back(find(words));
    shmalloc::send(socket, storages, unkept());
    return "ok";
  }

  std::string receive(std::istringstream &words) {
    std::vector<Storage> storages = shmalloc::receive(word<int>(words));
    std::vector<std::string> names;
    for (std::string name; words >> name;) names.push_back(name);
    if (names.size() != storages.size()) throw Failure(std::to_string(storages.size()) + " storages came");
    for (std::size_t i = 0; i < names.size(); ++i) storages_[names[i]] = std::move(storages[i]);
    return "ok";
  }

  std::string check(std::istringstream &words) {
    const shmalloc::ConstView view = find(words).const_view();
    const auto seed = word<std::size_t>(words);
    for (std::size_t i = 0; i < view.size(); ++i)
      if (view[i] != pattern(i, seed)) return "bad " + std::to_string(i);
    return "ok";
  }

  std::string release(std::istringstream &words) {
    const auto name = word<std::string>(words);
    if (storages_.erase(name) == 0) throw Failure("there is no storage " + name);
    return "ok";
  }

  template <class Operation>
  static std::string timed(std::size_t times, Operation operation) {
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < times; ++i) operation();
    return "ok " + std::to_string(std::chrono::nanoseconds(Clock::now() - begin).count());
  }

  static std::string time(std::istringstream &words) {
    const auto operation = word<std::string>(words);
    const auto times = word<std::size_t>(words);
    if (operation == "version") return timed(times, [] { shmalloc::version(); });
    if (operation == "create") return timed(times, [] { Storage(4096); });
    Storage storage(4096);
    if (operation == "import") {
      const shmalloc::Handle handle = storage.export_handle();
      return timed(times, [&handle] { Storage::import_handle(handle); });
    }
    if (operation == "view") return timed(times, [&storage] { storage.view()[0] = std::byte{1}; });
    if (operation == "send") {
      const shmalloc::Channel channel{shmalloc::ChannelOptions{}};
      return timed(times, [&] {
        channel.send(storage);
        channel.receive();
      });
    }
    throw Failure("there is nothing to time called " + operation);
  }

  std::string quit() {
    storages_.clear();
    allocators_.clear();
    return "ok";
  }

  std::map<std::string, shmalloc::Allocator> allocators_;
  std::map<std::string, Storage> storages_;
};

std::string answer_of(Peer &peer, const std::string &line) {
  try {
    return peer.answer(line);
  } catch (const shmalloc::Error &error) {
    return std::string("error ") + shmalloc::status_name(error.status()) + " " + error.what();
  } catch (const std::exception &error) {
    return std::string("error UNKNOWN ") + error.what();
  }
}

}  // namespace

int main() {
  shmalloc::check_library();
  Peer peer;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer_of(peer, line) << std::endl;
    if (line == "quit") break;
  }
}
