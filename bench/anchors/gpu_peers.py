#!/usr/bin/env python3
"""gpu_peers.py: nanoseconds of a pair of allocate and free on a GPU, of PyTorch's allocator, of cudaMallocAsync behind it, and of RMM's pool.

Lines of JSON as shmalloc-bench writes them; a note for each that is not installed or finds no GPU. From Python, so the interpreter's own part is
measured as well and told: the same loop around a function that does nothing.
"""
import json
import os
import statistics
import subprocess
import sys
import time

SIZES = (512, 4096, 1 << 20, 64 << 20)
PAIRS, ROUNDS = 20000, 15


def note(text):
    """What can't be measured, and why."""
    print(json.dumps({'note': text}))


def measure(side, size, allocate, free):
    """One comparison's side."""
    times = []
    for _ in range(ROUNDS + 1):  # The first round warms the cache.
        begin = time.perf_counter_ns()
        for _ in range(PAIRS):
            free(allocate(size))
        times.append((time.perf_counter_ns() - begin) / PAIRS)
    times = sorted(times[1:])
    print(json.dumps({'gpu_peer': side, 'size': size, 'ns': {'min': times[0], 'median': statistics.median(times), 'max': times[-1]}}))


def torch_pairs(side):
    """PyTorch's current allocator."""
    try:
        import torch  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        return note(f'{side}: {error}')
    if not torch.cuda.is_available():
        return note(f'{side}: PyTorch {torch.__version__} finds no GPU')
    torch.cuda.init()
    stream = torch.cuda.current_stream()
    for size in SIZES:
        measure(side, size, lambda size: torch.cuda.caching_allocator_alloc(size, 0, stream), torch.cuda.caching_allocator_delete)


def rmm_pairs():
    """RMM's pool."""
    try:
        import rmm  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        return note(f'RMM: {error}')
    pool = rmm.mr.PoolMemoryResource(rmm.mr.CudaMemoryResource(), initial_pool_size=1 << 30)
    for size in SIZES:
        measure('RMM pool', size, lambda size: (pool.allocate(size), size), lambda block: pool.deallocate(*block))


def main():
    """PyTorch chooses its allocator once a process."""
    if sys.argv[1:] == ['--async']:
        return torch_pairs('PyTorch, cudaMallocAsync')
    for size in SIZES[:1]:
        measure('Python itself', size, lambda size: size, lambda block: None)
    torch_pairs('PyTorch')
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, '--async'], check=False, env=dict(os.environ, PYTORCH_CUDA_ALLOC_CONF='backend:cudaMallocAsync'))
    rmm_pairs()


if __name__ == '__main__':
    main()
