#!/usr/bin/env python3
"""PyTorch's two sharing strategies, timed for the benchmark program, which asks by lines on standard input:

    create|create+fill|share|share+fill|resend|move  file_descriptor|file_system  SIZE  CPU  TIMES

and reads nanoseconds each. CPU is where the receiving process goes; this one stays on CPU 0.
"""

import os
import sys
import time

try:
    import torch
    import torch.multiprocessing as mp
except ImportError as error:
    print(f"PyTorch can't be imported: {error}", flush=True)
    sys.exit(0)


def make(strategy: str, size: int):
    if strategy == "file_descriptor":
        return torch.UntypedStorage._new_using_fd_cpu(size)
    return torch.UntypedStorage._new_using_filename_cpu(size)


def touch(storage, every_page: bool) -> None:
    """Write one byte, or one in every page."""
    if every_page and len(storage) > 4096:
        torch.tensor([], dtype=torch.uint8).set_(storage)[::4096] = 1
    else:
        storage[0] = 1


def pin(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu % os.cpu_count()})


def receive(connection, others) -> None:
    """The other process: take a storage, read its first byte, say so, drop it."""
    others.close()  # so that this one's end is seen here
    pin(1)
    while True:
        try:
            storage = connection.recv()
        except EOFError:
            return
        if isinstance(storage, int):
            pin(storage)
        else:
            storage[0]
        connection.send_bytes(b"x")
        del storage


def time_create(strategy: str, size: int, fill: bool, times: int) -> float:
    begin = time.perf_counter_ns()
    for _ in range(times):
        storage = make(strategy, size)
        if fill:
            touch(storage, True)
        del storage
    return (time.perf_counter_ns() - begin) / times


def time_share(connection, strategy: str, size: int, cpu: int, fill: bool, times: int) -> float:
    mp.set_sharing_strategy(strategy)
    connection.send(cpu)
    connection.recv_bytes()
    begin = time.perf_counter_ns()
    for _ in range(times):
        storage = make(strategy, size)
        touch(storage, fill)
        connection.send(storage)
        connection.recv_bytes()
        del storage
    return (time.perf_counter_ns() - begin) / times


def time_resend(connection, strategy: str, size: int, cpu: int, times: int) -> float:
    """One storage that was sent before, again and again."""
    mp.set_sharing_strategy(strategy)
    connection.send(cpu)
    connection.recv_bytes()
    storage = make(strategy, size)
    storage[0] = 1
    begin = time.perf_counter_ns()
    for _ in range(times):
        connection.send(storage)
        connection.recv_bytes()
    return (time.perf_counter_ns() - begin) / times


def time_move(strategy: str, size: int, times: int) -> float:
    """Private memory, every page of it in use, made shareable."""
    mp.set_sharing_strategy(strategy)
    spent = 0
    for _ in range(times):
        tensor = torch.full((size,), 1, dtype=torch.uint8)
        begin = time.perf_counter_ns()
        tensor.share_memory_()
        spent += time.perf_counter_ns() - begin
        del tensor
    return spent / times


def main() -> None:
    ours, theirs = mp.Pipe()
    child = mp.Process(target=receive, args=(theirs, ours), daemon=True)
    child.start()
    theirs.close()
    pin(0)
    torch.set_num_threads(1)
    print("ready", child.pid, flush=True)
    for line in sys.stdin:
        what, strategy, size, cpu, times = line.split()
        verb, _, fill = what.partition("+")
        if verb == "create":
            result = time_create(strategy, int(size), bool(fill), int(times))
        elif verb == "resend":
            result = time_resend(ours, strategy, int(size), int(cpu), int(times))
        elif verb == "move":
            result = time_move(strategy, int(size), int(times))
        else:
            result = time_share(ours, strategy, int(size), int(cpu), bool(fill), int(times))
        print(result, flush=True)
    child.terminate()
    child.join()


if __name__ == "__main__":
    main()
