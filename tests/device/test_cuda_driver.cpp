// Drivers that are absent, old, broken or without a GPU: each is a sentence and UNSUPPORTED. The loader looks at LD_LIBRARY_PATH when a
// program starts, so each case is a run of this one with an argument, which prints what it is told.
#include <sys/wait.h>

#include <map>

#include "base/fork.hpp"
#include "conformance.hpp"
#include "device/cuda/cuda_device.hpp"

namespace {

using namespace conformance;

std::string folder;  // of this run's own

// What a program sees that asks for CUDA.
int tell() {
  auto count = CudaDevice::count();
  auto opened = CudaDevice::open(0);
  const std::string line = CudaDevice::driver_line();
  if (static_cast<bool>(count) != static_cast<bool>(opened)) return 1;
  if (!count && (count.error().status != opened.error().status || line != count.error().message)) return 2;
  printf("%s %lld %s", count ? "OK" : status_name(count.error().status),
         count ? 0LL : static_cast<long long>(count.error().backend_error), line.c_str());
  if (count) printf("; page %llu", static_cast<unsigned long long>(opened->describe().page));
  return 0;
}

// The first try fails, for what it needs comes later; a child that is forked after it may use the driver.
int tell_later(const char *options) {
  setenv("SHMALLOC_SIM_OPTIONS", options, 1);
  if (!fails(CudaDevice::count(), SHMALLOC_STATUS_UNSUPPORTED) || !fails(CudaDevice::open(0), SHMALLOC_STATUS_UNSUPPORTED))
    return 1;
  if (const pid_t child = fork(); child != 0) {
    int status = -1;
    return waitpid(child, &status, 0) == child && status == 0 ? tell() : 2;
  }
  forks.fetch_add(1);
  auto opened = CudaDevice::open(0);
  _exit(fine(opened) && fine(opened->allocate(1)) ? 0 : 1);
}

// The same by the public functions, whose preparations for fork are then in force. A lock that is held is waited for for ever.
int tell_publicly() {
  alarm(20);
  shmalloc_error error;
  auto info = SHMALLOC_INIT(shmalloc_device_info);
  shmalloc_allocator *allocator = nullptr;
  if (shmalloc_allocator_get_current(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 0), &allocator, &error) != SHMALLOC_STATUS_OK ||
      shmalloc_device_get_info(SHMALLOC_DEVICE(SHMALLOC_DEVICE_TYPE_CUDA, 0), &info, &error) != SHMALLOC_STATUS_OK) {
    printf("%s", error.message);
    return 1;
  }
  shmalloc_allocator_release(allocator);
  printf("OK %s", info.name);
  return 0;
}

using Environment = std::map<std::string, std::string>;

std::string run(const Environment &environment, const char *argument = "tell") {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fflush(nullptr);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    for (const auto &[name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execl("/proc/self/exe", "test_device_cuda_driver", argument, nullptr);
    _exit(99);
  }
  close(ends[1]);
  std::string text;
  char part[256];
  for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (status != 0) fail_msg("the program ended with %#x and said \"%s\"", static_cast<unsigned>(status), text.c_str());
  return text;
}

// What is told where the loader finds this library under the driver's name.
std::string told_by(const std::string &library, Environment more = {}, const char *argument = "tell") {
  const std::string link = folder + "/libcuda.so.1";
  unlink(link.c_str());
  assert_int_equal(symlink(library.c_str(), link.c_str()), 0);
  more["LD_LIBRARY_PATH"] = folder;
  more["SHMALLOC_SIMULATOR"] = std::string(getenv("SHMALLOC_SIMULATOR"));
  return run(more, argument);
}
std::string other(const char *kind) { return std::string(getenv("SHMALLOC_OTHER_DRIVERS")) + "/libother_driver_" + kind + ".so"; }

#define SAYS(text, begin, part)                                                                                         \
  do {                                                                                                                  \
    const std::string said_ = (text);                                                                                   \
    if (said_.rfind(begin, 0) != 0 || said_.find(part) == std::string::npos) fail_msg("it says \"%s\"", said_.c_str()); \
  } while (0)

void no_driver(void **) {
  SAYS(run({{"LD_LIBRARY_PATH", folder + "/nothing"}}), "UNSUPPORTED 0 ", "there is no CUDA driver: libcuda.so.1");
}

void something_else_by_that_name(void **) {
  const std::string text = folder + "/text";
  FILE *file = fopen(text.c_str(), "we");
  assert_non_null(file);
  fputs("no library\n", file);
  fclose(file);
  SAYS(told_by(text), "UNSUPPORTED", "there is no CUDA driver: ");
  SAYS(told_by(other("empty")), "UNSUPPORTED", "libcuda.so.1 is no CUDA driver");
}

void old_drivers(void **) {
  SAYS(told_by(other("old")), "UNSUPPORTED", "the CUDA driver is of version 11.2, and 11.3 or later is needed");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "driver=11020"}}), "UNSUPPORTED", "the CUDA driver is of version 11.2, and 11.3");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "driver=11030 devices=1"}}), "OK", "CUDA driver 11.3, 1 device; page 2097152");
  SAYS(told_by(other("first"), {{"SHMALLOC_SIM_OPTIONS", "driver=11080"}}), "OK", "CUDA driver 11.8, 2 devices; page 2097152");
}

void stubs(void **) {
  SAYS(told_by(other("stub")), "UNSUPPORTED 34 ", "libcuda.so.1 is the CUDA toolkit's stub");
  const char *toolkits = getenv("SHMALLOC_TOOLKIT_STUB");
  if (toolkits != nullptr && access(toolkits, R_OK) == 0) SAYS(told_by(toolkits), "UNSUPPORTED 34 ", "the CUDA toolkit's stub");
}

void drivers_that_lack_entries(void **) {
  SAYS(told_by(other("lacking"), {{"SHMALLOC_LACKS", "cuMemAlloc"}}), "UNSUPPORTED", "can't be used: it lacks cuMemAlloc");
  // Virtual memory can be done without.
  SAYS(told_by(other("lacking"), {{"SHMALLOC_LACKS", "cuMemUnmap"}}), "OK", "page 0");
  SAYS(told_by(other("lacking")), "OK", "page 2097152");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "vmm=0"}}), "OK", "page 0");
}

void drivers_that_fork(void **) { SAYS(told_by(other("forking"), {}, "publicly"), "OK", "cuda 0"); }

void no_gpu(void **) {
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "devices=0"}}), "UNSUPPORTED 100 ", "finds no GPU, or CUDA_VISIBLE_DEVICES");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "fail=cuInit:1+:803"}}), "UNSUPPORTED 803 ", "restart the machine");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "fail=cuInit:1+:802"}}), "UNSUPPORTED 802 ", "can't be used: cuInit gives error 802");
  SAYS(run({{"SHMALLOC_SIM_OPTIONS", "fail=cuInit:1+:2"}}), "NO_MEMORY 2 ", "no memory");
}

void a_failure_is_not_for_ever(void **) { SAYS(run({}, "again"), "OK", "CUDA driver 13.0, 2 devices"); }

int make_folder(void **) {
  char name[] = "/tmp/shmalloc-test-XXXXXX";
  if (mkdtemp(name) == nullptr) return -1;
  folder = name;
  return 0;
}
int remove_folder(void **) {
  for (const char *name : {"/libcuda.so.1", "/text"}) unlink((folder + name).c_str());
  return rmdir(folder.c_str());
}

}  // namespace

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "again") == 0) return tell_later("fail=cuInit:1:100,cuInit:2:100");
  if (count > 1) return strcmp(arguments[1], "publicly") == 0 ? tell_publicly() : tell();
  const CMUnitTest tests[] = {
      cmocka_unit_test(no_driver), cmocka_unit_test(something_else_by_that_name), cmocka_unit_test(old_drivers),
      cmocka_unit_test(stubs),     cmocka_unit_test(drivers_that_lack_entries),   cmocka_unit_test(drivers_that_fork),
      cmocka_unit_test(no_gpu),    cmocka_unit_test(a_failure_is_not_for_ever),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
