// Work on the same bytes that nothing orders is found when it is queued, though it happens to be done in order.
#include <functional>

#include "support.hpp"

namespace {

constexpr std::size_t kSize = 4096;

// Mistakes of a kind that a body makes, with memory and two streams that know nothing of each other.
struct Place {
  CUdeviceptr address;
  CUstream one, other;
};

void expect(const char *options, const char *kind, unsigned long long wanted, const std::function<void(const Place &)> &body) {
  RUN(options, {
    use();
    const Place place = {allocate(kSize), new_stream(), new_stream()};
    body(place);
    SO(sim.mistakes(kind) == wanted);
    SO(sim.mistakes(nullptr) == wanted);
  });
}

void write(const Place &place, CUstream stream, std::size_t from = 0, std::size_t size = kSize) {
  OK(cu.cuMemsetD8Async(place.address + from, 1, size, stream));
}

void read(const Place &place, CUstream stream) {
  std::vector<char> own(kSize);
  OK(cu.cuMemcpyDtoHAsync(own.data(), place.address, kSize, stream));
}

void unordered_writes_are_found(void **) {
  for (const char *options : {"", "schedule=late", "schedule=7"}) {
    expect(options, "race", 1, [](const Place &place) {
      write(place, place.one);
      write(place, place.other);
    });
  }
}

void unordered_reads_of_writes_are_found(void **) {
  expect("", "race", 1, [](const Place &place) {
    write(place, place.one);
    read(place, place.other);
  });
}

void reads_disturb_no_reads(void **) {
  expect("", "race", 0, [](const Place &place) {
    write(place, place.one);
    OK(cu.cuStreamSynchronize(place.one));
    read(place, place.one);
    read(place, place.other);
  });
}

void unordered_writes_of_what_is_read_are_found(void **) {
  expect("schedule=late", "race", 1, [](const Place &place) {
    const CUdeviceptr copy = allocate(kSize);
    OK(cu.cuMemcpyDtoDAsync(copy, place.address, kSize, place.one));
    write(place, place.other);
  });
}

void other_bytes_are_other_bytes(void **) {
  expect("", "race", 0, [](const Place &place) {
    write(place, place.one, 0, 100);
    write(place, place.other, 100, 100);
  });
}

void an_event_orders(void **) {
  expect("", "race", 0, [](const Place &place) {
    write(place, place.one);
    OK(cu.cuStreamWaitEvent(place.other, recorded(place.one), 0));
    write(place, place.other);
  });
}

void one_race_hides_no_other(void **) {
  expect("", "race", 2, [](const Place &place) {
    const CUstream third = new_stream();
    write(place, place.one);
    write(place, place.other);
    OK(cu.cuStreamWaitEvent(third, recorded(place.other), 0));
    write(place, third);
  });
}

void an_event_from_before_does_not(void **) {
  expect("", "race", 1, [](const Place &place) {
    const CUevent event = recorded(place.one);
    write(place, place.one);
    OK(cu.cuStreamWaitEvent(place.other, event, 0));
    write(place, place.other);
  });
}

void order_goes_on_through_a_third_stream(void **) {
  expect("", "race", 0, [](const Place &place) {
    const CUstream third = new_stream();
    write(place, place.one);
    OK(cu.cuStreamWaitEvent(third, recorded(place.one), 0));
    OK(cu.cuStreamWaitEvent(place.other, recorded(third), 0));
    write(place, place.other);
  });
}

void the_host_orders_when_it_has_seen_the_end(void **) {
  const std::function<void(const Place &)> ways[] = {
      [](const Place &place) { OK(cu.cuStreamSynchronize(place.one)); },
      [](const Place &place) { OK(cu.cuEventSynchronize(recorded(place.one))); },
      [](const Place &) { OK(cu.cuCtxSynchronize()); },
      [](const Place &place) { OK(cu.cuStreamQuery(place.one)); },
      [](const Place &place) { OK(cu.cuEventQuery(recorded(place.one))); },
  };
  for (const auto &way : ways) {
    expect("", "race", 0, [&](const Place &place) {
      write(place, place.one);
      way(place);
      write(place, place.other);
    });
  }
}

void the_default_stream_orders_blocking_streams_only(void **) {
  for (const unsigned flags : {CU_STREAM_DEFAULT, CU_STREAM_NON_BLOCKING}) {
    expect("schedule=late", "race", flags == CU_STREAM_DEFAULT ? 0 : 2, [&](const Place &place) {
      const CUstream one = new_stream(flags), other = new_stream(flags);
      write(place, one);
      write(place, nullptr);
      write(place, other);
    });
  }
}

void an_answer_that_work_goes_on_orders_nothing(void **) {
  expect("schedule=late patience=0", "race", 1, [](const Place &place) {
    write(place, place.one);
    const CUevent event = recorded(place.one);
    GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(event));
    write(place, place.other);
  });
}

void memory_that_is_used_is_not_freed(void **) {
  for (const bool waits : {false, true}) {
    expect("schedule=late", "busy_free", waits ? 0 : 1, [&](const Place &place) {
      write(place, place.one);
      if (waits) OK(cu.cuStreamSynchronize(place.one));
      OK(cu.cuMemFree(place.address));
    });
  }
}

void memory_that_is_used_is_not_unmapped(void **) {
  expect("schedule=late", "busy_free", 1, [](const Place &place) {
    constexpr std::size_t kPage = 2 << 20;
    CUmemGenericAllocationHandle handle = 0;
    CUdeviceptr address = 0;
    CUmemAllocationProp wanted{};
    wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    CUmemAccessDesc access{};
    access.location = wanted.location;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    OK(cu.cuMemCreate(&handle, kPage, &wanted, 0));
    OK(cu.cuMemAddressReserve(&address, kPage, 0, 0, 0));
    OK(cu.cuMemMap(address, kPage, 0, handle, 0));
    OK(cu.cuMemSetAccess(address, kPage, &access, 1));
    OK(cu.cuMemsetD8Async(address, 1, kPage, place.one));
    OK(cu.cuMemUnmap(address, kPage));
  });
}

void pinned_memory_is_watched_too(void **) {
  expect("schedule=late", "race", 1, [](const Place &place) {
    void *pointer = nullptr;
    const CUdeviceptr other = allocate(kSize);
    OK(cu.cuMemHostAlloc(&pointer, kSize, 0));
    OK(cu.cuMemcpyDtoHAsync(pointer, place.address, kSize, place.one));
    OK(cu.cuMemcpyDtoHAsync(pointer, other, kSize, place.other));
  });
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(unordered_writes_are_found),
      cmocka_unit_test(unordered_reads_of_writes_are_found),
      cmocka_unit_test(reads_disturb_no_reads),
      cmocka_unit_test(unordered_writes_of_what_is_read_are_found),
      cmocka_unit_test(other_bytes_are_other_bytes),
      cmocka_unit_test(an_event_orders),
      cmocka_unit_test(one_race_hides_no_other),
      cmocka_unit_test(an_event_from_before_does_not),
      cmocka_unit_test(order_goes_on_through_a_third_stream),
      cmocka_unit_test(the_host_orders_when_it_has_seen_the_end),
      cmocka_unit_test(the_default_stream_orders_blocking_streams_only),
      cmocka_unit_test(an_answer_that_work_goes_on_orders_nothing),
      cmocka_unit_test(memory_that_is_used_is_not_freed),
      cmocka_unit_test(memory_that_is_used_is_not_unmapped),
      cmocka_unit_test(pinned_memory_is_watched_too),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
