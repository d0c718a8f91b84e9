"""Every handle that an older shmalloc wrote (abi/wire/*.hex) is still read, to the same facts, and written again as the same bytes.

Beside NAME.hex stands NAME.json: {"status": .., "info": {field of shmalloc_handle_info: value}, "text": ..}; status is what
shmalloc_handle_get_info answers, and only OK has the other two. Vectors are never changed, only added: abi/make_wire.py.
"""
import ctypes
import json

from guard import Guard


def fact(value):
    """A field as JSON has it."""
    return bytes(value).hex() if isinstance(value, ctypes.Array) else value


def check(guard, library, name, data, wanted):
    raw = (ctypes.c_uint8 * max(1, len(data))).from_buffer_copy(data or b'\0')
    info = library.struct('shmalloc_handle_info')
    status, message = library.status('shmalloc_handle_get_info', raw, len(data), info)
    if status != wanted['status']:
        guard.bad(f'{name}: shmalloc_handle_get_info answers {status} ({message}); it must answer {wanted["status"]}')
        return
    if status != 'OK':
        return
    for field, value in wanted['info'].items():
        if fact(getattr(info, field)) != value:
            guard.bad(f'{name}: {field} is {fact(getattr(info, field))}, must be {value}')
    text = library.sized('shmalloc_handle_to_text', raw, len(data), terminated=True)
    if text.decode() != wanted['text']:
        guard.bad(f'{name}: its text is {text.decode()}, must be {wanted["text"]}')
    again = library.sized('shmalloc_handle_from_text', text)
    if again != data:
        guard.bad(f'{name}: from its text come {again.hex()}, must be {data.hex()}')


def main():
    guard = Guard(__doc__, 'lib')
    import library as module
    library = module.Library(guard.args.lib, guard.path('abi', 'constants.json'))
    vectors = sorted(guard.path('abi', 'wire').glob('*.hex'))
    good = 0
    for path in vectors:
        facts = path.with_suffix('.json')
        if not facts.exists():
            guard.bad(f'{guard.name(facts)} does not exist')
            continue
        wanted = json.loads(facts.read_text())
        good += wanted['status'] == 'OK'
        try:
            check(guard, library, guard.name(path), bytes.fromhex(path.read_text()), wanted)
        except module.Failed as error:
            guard.bad(f'{guard.name(path)}: {error}')
    if not good or good == len(vectors):
        guard.bad(f'{good} of {len(vectors)} vectors are good ones; there must be some that are read and some that are refused')
    guard.verdict(f'{len(vectors)} vectors, {good} of them read and written again')


main()
