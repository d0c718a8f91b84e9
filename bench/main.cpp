// shmalloc-bench: measures, and writes what it measured as lines of JSON. run.py builds the report from them.
#include <getopt.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "anchors/torch.hpp"
#include "cases/cases.hpp"
#include "harness/machine.hpp"
#include "harness/output.hpp"

namespace {

void usage() {
  std::fputs(
      "shmalloc-bench [--quick] [--rounds N] [--target-ms N] [--patience SECONDS] [--only TEXT]\n"
      "               [--side NAME --times N]\n"
      "               [--python PATH --torch-script PATH --python-script PATH] [--load-probe PATH] [--malloc-peer PATH]\n"
      "Writes one line of JSON for each comparison. Use run.py for the report.\n",
      stderr);
}

bool parse(int argc, char **argv, bench::Options &options) {
  enum { quick = 1, rounds, target, patience, only, side, times, python, script, python_script, probe, malloc_peer };
  const option names[] = {{"quick", no_argument, nullptr, quick},
                          {"rounds", required_argument, nullptr, rounds},
                          {"target-ms", required_argument, nullptr, target},
                          {"patience", required_argument, nullptr, patience},
                          {"only", required_argument, nullptr, only},
                          {"side", required_argument, nullptr, side},
                          {"times", required_argument, nullptr, times},
                          {"python", required_argument, nullptr, python},
                          {"torch-script", required_argument, nullptr, script},
                          {"python-script", required_argument, nullptr, python_script},
                          {"malloc-peer", required_argument, nullptr, malloc_peer},
                          {"load-probe", required_argument, nullptr, probe},
                          {nullptr, 0, nullptr, 0}};
  for (int name; (name = getopt_long(argc, argv, "", names, nullptr)) != -1;) {
    switch (name) {
      case quick:
        options.quick = true;
        options.rounds = 15;
        options.heavy_rounds = 3;
        options.heavier_rounds = 1;
        options.target_ns = 1e6;
        options.patience = 3;
        options.repeat_seconds = 1;
        break;
      case rounds:
        options.rounds = std::atoi(optarg);
        break;
      case target:
        options.target_ns = std::atof(optarg) * 1e6;
        break;
      case patience:
        options.patience = std::atof(optarg);
        break;
      case only:
        options.only = optarg;
        break;
      case side:
        options.side = optarg;
        break;
      case times:
        options.times = std::atol(optarg);
        break;
      case python:
        options.python = optarg;
        break;
      case script:
        options.torch_script = optarg;
        break;
      case python_script:
        options.python_script = optarg;
        break;
      case malloc_peer:
        options.malloc_peer = optarg;
        break;
      case probe:
        options.load_probe = optarg;
        break;
      default:
        return false;
    }
  }
  return optind == argc && options.rounds > 0 && options.target_ns > 0;
}

}  // namespace

std::string bench::size_text(std::size_t size) {
  if (size >= GiB) return std::to_string(size / GiB) + " GiB";
  if (size >= MiB) return std::to_string(size / MiB) + " MiB";
  if (size >= KiB) return std::to_string(size / KiB) + " KiB";
  return std::to_string(size) + " bytes";
}

int main(int argc, char **argv) {
  bench::Options options;
  if (!parse(argc, argv, options)) {
    usage();
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  bench::raise_descriptor_limit();
  bench::Torch torch(options.python, options.torch_script);
  bench::Asked python({options.python, options.python_script});
  if (!torch.ready() && options.side.empty()) bench::write_note("no PyTorch anchors: " + torch.why());
  bench::pin(0);

  bench::measure_load(options);
  // Before there are storages, which their children would inherit.
  bench::weigh_many(options);
  bench::measure_attach(options);
  bench::measure_create(options, torch);
  bench::measure_pool(options, torch);
  bench::measure_handover(options, torch, python);
  bench::measure_share(options, torch);
  bench::measure_batch(options);
  bench::measure_channel(options);
  bench::measure_handle(options);
  bench::measure_resident(options, torch);
  bench::measure_grow(options);
  bench::measure_counted(options);
  bench::measure_crash(options);
  bench::measure_many(options);
  bench::measure_copy(options);
  bench::measure_caching(options);  // its devices last as long as the process
  return 0;
}
