"""abidiff finds no difference between the committed dump and this library, not even a harmless one.

With --release the same against each dump that a release left in abi/<arch>/releases/: there additions are no difference.
No other options: with --headers-dir or --drop-private-types abidiff 2.2 returns 0 for real breaks.
"""
from guard import Guard, architecture, need, run, skip


def main():
    guard = Guard(__doc__, 'lib', 'release')
    need('abidiff')
    folder = guard.path('abi', architecture())
    if guard.args.release:
        # Before 1.0 a new minor version may break what the one before had; its soversion says so.
        import version_tie
        line = '.'.join(version_tie.project_version(guard.root).split('.')[:2 if version_tie.before_one(guard.root) else 1])
        dumps = sorted(folder.glob(f'releases/libshmalloc-{line}.*.abi'))
        options = ['--no-added-syms']
        if not dumps:
            skip(f'no release of {line} has left a dump in {guard.name(folder)}/releases yet')
    else:
        dumps, options = [folder / 'libshmalloc.abi'], ['--harmless']
    for dump in dumps:
        done = run(['abidiff', *options, dump, guard.args.lib])
        if done.returncode:
            guard.bad(f'abidiff {" ".join(options)} {guard.name(dump)} returns {done.returncode}:\n{done.stdout}{done.stderr}')
    guard.verdict(f'no difference to {", ".join(guard.name(dump) for dump in dumps)}')


main()
