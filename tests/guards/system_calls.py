"""System calls are made by src/cpp/os only, behind the table that tests replace. So each of them can be made to fail.

Asks the compiled objects, not the source: what an object outside os needs from the C library can't hide behind a macro,
and a member function of ours that is called `write` is no false alarm.
"""
import re

from guard import Guard, need, run

CALLS = set('''
    open openat creat close close_range read pread write pwrite readv writev preadv pwritev lseek ftruncate truncate fallocate
    posix_fallocate fsync fdatasync stat fstat lstat fstatat statx statfs fstatfs statvfs fstatvfs access faccessat fcntl flock
    lockf ioctl dup dup2 dup3 pipe pipe2 mmap munmap mremap mprotect madvise posix_madvise msync mlock munlock mincore mbind
    memfd_create shm_open shm_unlink unlink unlinkat remove rename renameat link linkat symlink readlink readlinkat realpath mkdir
    mkdirat rmdir mkstemp mkostemp tmpfile opendir fdopendir readdir closedir scandir chmod fchmod chown fchown umask
    socket socketpair bind listen accept accept4 connect shutdown send recv sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
    getsockopt setsockopt getsockname getpeername poll ppoll select pselect epoll_create epoll_create1 epoll_ctl epoll_wait
    eventfd timerfd_create inotify_init1 inotify_add_watch signalfd fork vfork clone execve execvp posix_spawn system popen
    wait waitpid waitid kill tgkill raise abort getpid getppid gettid getuid geteuid getgid getegid getpwuid getrlimit setrlimit
    prlimit prctl syscall process_vm_readv process_vm_writev pidfd_open pidfd_getfd getrandom getentropy clock_gettime
    gettimeofday nanosleep clock_nanosleep usleep sleep sched_yield sched_getaffinity sched_getcpu sysconf sigaction signal
    sigprocmask pthread_sigmask sysinfo uname gethostname fopen freopen fdopen fread fwrite printf fprintf puts fputs
'''.split())


def plain(symbol):
    """open64, __open_2, __read_chk and fstat@GLIBC_2.33 are what the source calls open, read and fstat."""
    name = symbol.split('@')[0]
    name = re.sub(r'^__(\w+?)_(?:chk|2)$', r'\1', name)
    return re.sub(r'64$', '', name)


def main():
    guard = Guard(__doc__, 'archive')
    output = run([need('nm'), '-A', '--undefined-only', guard.args.archive], check=True).stdout
    members, inside_os = set(), 0
    for line in output.splitlines():
        place, _, symbol = line.partition(' U ')
        member = place.rstrip(' :').split(':')[-1]
        members.add(member)
        name = plain(symbol.strip())
        if name not in CALLS:
            continue
        if member.startswith('cpp_os_'):
            inside_os += 1
        else:
            guard.bad(f'{member} calls {name}; system calls belong into src/cpp/os, behind its table')
    if not inside_os:
        guard.bad(f'no system call found in src/cpp/os either: {guard.args.archive} is not our library')
    guard.verdict(f'{len(members)} objects; {inside_os} system calls, all of them in src/cpp/os')


main()
