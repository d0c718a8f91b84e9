#!/usr/bin/env python3
"""matrix.py BUILD: storages of every host kind, made in each language and opened, checked, changed and released in each.

By text handles and by sockets; then one process after the other is killed, and those that are left have everything as it was. In the end
nothing may be left: no descriptor, no mapping, no name.
"""
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import peers as p

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'bindings'))
import programs

KINDS = ('direct', 'map', 'map_refcounted', 'shared', 'isolated')
SIZE = 10007


def make(peer, name, kind, seed):
    peer.ask('make', name, kind, SIZE, seed)
    if kind == 'direct':
        peer.ask('share', name)


def one_pair(maker, opener, out, back, kind, seed):
    """Both ways to hand a storage over, one after the other."""
    make(maker, 'a', kind, seed)
    size = opener.ask('open', 'b', maker.ask('text', 'a'))
    if int(size) != SIZE:
        raise p.Failed(f'{opener.language} sees {size} bytes of {SIZE}')
    maker.ask('send', out, 'a')
    opener.ask('receive', back, 'c')
    for name in ('b', 'c'):
        opener.ask('check', name, seed)
    opener.ask('fill', 'b', seed + 1)
    for peer, name in ((maker, 'a'), (opener, 'c')):
        peer.ask('check', name, seed + 1)
    opener.ask('release', 'b')
    maker.ask('release', 'a')
    opener.ask('check', 'c', seed + 1)  # the maker has let go of it
    opener.ask('release', 'c')


def all_pairs(peers, link):
    done = 0
    for a in peers:
        for b in peers:
            for seed, kind in enumerate(KINDS):
                try:
                    one_pair(peers[a], peers[b], link(a, b), link(b, a, receiving=True), kind, 16 * seed + 1)
                except p.Failed as failure:
                    raise p.Failed(f'kind {kind}, made by {a}, opened by {b}: {failure}') from None
                done += 1
    return done


def kill_one(victim, peers, link):
    """The victim made storages, and holds some of everybody else's; what the others have stays as it is."""
    others = [peer for peer in peers.values() if peer is not peers[victim]]
    for seed, kind in enumerate(('map', 'shared', 'isolated')):
        make(peers[victim], kind, kind, seed)
    for peer in others:
        peers[victim].ask('send', link(victim, peer.language), 'map', 'shared', 'isolated')
        peer.ask('receive', link(peer.language, victim), 'map', 'shared', 'isolated')
        make(peer, 'own', 'shared', 77)
        peer.ask('send', link(peer.language, victim), 'own')
        peers[victim].ask('receive', link(victim, peer.language), f'of_{len(peer.language)}_{peer.pid}')
    make(peers[victim], 'named', 'map_refcounted', 5)
    peers[victim].kill()
    for peer in others:
        for seed, kind in enumerate(('map', 'shared', 'isolated')):
            peer.ask('check', kind, seed)
        peer.ask('check', 'own', 77)
    # What a dead one made goes on from hand to hand.
    first, last = others[0], others[-1]
    first.ask('send', link(first.language, last.language), 'shared', 'map')
    last.ask('receive', link(last.language, first.language, receiving=True), 'again', 'again_map')
    for name, seed in (('again', 1), ('again_map', 0)):
        last.ask('check', name, seed)
        last.ask('release', name)
    for peer in others:
        for name in ('map', 'shared', 'isolated', 'own'):
            peer.ask('release', name)


def names_of(pids):
    """Names in /dev/shm that one of these processes made."""
    return [name for name in os.listdir('/dev/shm') if any(f'_{pid}_' in name for pid in pids)]


def main():
    build = sys.argv[1]
    commands, missing = programs.commands('peer', build)
    if missing not in ([], ['Julia']):
        raise p.Failed(f'no programs in {", ".join(missing)}: their tools are not installed, or they were not built')
    peers, link = p.start_all(commands, programs.environment(build))
    pids = [peer.pid for peer in peers.values()]
    print(f'1..{1 + len(peers) + len(missing)}', flush=True)
    for number, language in enumerate(missing, 2 + len(peers)):
        print(f'ok {number} - # SKIP {language} is not installed here: bindings/julia/get-julia.sh build/julia')
    done = all_pairs(peers, link)
    before = {language: (peer.shared_descriptors(), peer.shared_mappings()) for language, peer in peers.items()}
    print(f'ok 1 - {done} times: {len(peers)} languages, each pair, {len(KINDS)} kinds, by text and by socket', flush=True)
    all_pairs(peers, link)
    for language, peer in peers.items():
        now = (peer.shared_descriptors(), peer.shared_mappings())
        if now != before[language]:
            raise p.Failed(f'{language} had {before[language]} descriptors and mappings of shared memory, and has {now} after another round')
    print('ok 2 - and once more: nobody has more descriptors or mappings than before', flush=True)
    for number, victim in enumerate(list(peers)[:-1], 3):
        kill_one(victim, peers, link)
        del peers[victim]
        print(f'ok {number} - {victim} was killed; the others have all that it gave them and all of their own', flush=True)
    for peer in peers.values():
        peer.quit()
    tool = os.environ.get('SHMALLOC_TOOL')
    if tool:
        subprocess.run([tool, 'gc'], check=True, stdout=subprocess.DEVNULL)
    left = names_of(pids)
    if left:
        raise p.Failed(f'left behind in /dev/shm: {", ".join(left)}')


if __name__ == '__main__':
    try:
        main()
    except p.Failed as failed:
        print(f'not ok - {failed}')
        sys.exit(1)
