#!/usr/bin/env python3
"""multiprocessing.shared_memory, timed for the benchmark program, which asks by lines on standard input: SIZE CPU TIMES. One round
trip: make, write a byte, send the name, attach and read there, acknowledge, close both, unlink. CPU is the receiver's."""

import multiprocessing
import os
import sys
import time
from multiprocessing.shared_memory import SharedMemory


def pin(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu % os.cpu_count()})


def receive(connection, others) -> None:
    others.close()  # so that this one's end is seen here
    while True:
        try:
            name = connection.recv()
        except EOFError:
            return
        if isinstance(name, int):
            pin(name)
        else:
            memory = SharedMemory(name)
            memory.buf[0]
            memory.close()
        connection.send_bytes(b"x")


def time_share(connection, size: int, cpu: int, times: int) -> float:
    connection.send(cpu)
    connection.recv_bytes()
    begin = time.perf_counter_ns()
    for _ in range(times):
        memory = SharedMemory(create=True, size=size)
        memory.buf[0] = 1
        connection.send(memory.name)
        connection.recv_bytes()
        memory.close()
        memory.unlink()
    return (time.perf_counter_ns() - begin) / times


def main() -> None:
    # The tracker is one process for both, so that what the receiver attaches to is not taken for lost.
    SharedMemory(create=True, size=1).unlink()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=receive, args=(theirs, ours), daemon=True)
    child.start()
    theirs.close()
    pin(0)
    print("ready", child.pid, flush=True)
    for line in sys.stdin:
        size, cpu, times = map(int, line.split())
        print(time_share(ours, size, cpu, times), flush=True)
    child.terminate()
    child.join()


if __name__ == "__main__":
    main()
