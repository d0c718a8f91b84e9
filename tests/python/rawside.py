"""What the tests of the raw table share: the library as C would call it."""
import re
from ctypes import byref, c_size_t, c_void_p, create_string_buffer

from shmalloc import _raw
from support import Case

C = _raw.CONSTANTS
OK = C['SHMALLOC_STATUS_OK']

#: Functions of devices, and of what has its memory there; all others.
DEVICE = {name for name in _raw.FUNCTIONS if re.match(
    'shmalloc_(device|stream|event)_|shmalloc_allocator_(allocate|deallocate|record_stream|get_base|get_cache_info|configure_caching|'
    'observe|unobserve)$|shmalloc_storage_record_stream$', name)}
REST = set(_raw.FUNCTIONS) - DEVICE


class Recorder:
    """The library, remembering what was called."""

    def __init__(self):
        self.called = set()

    def __getattr__(self, name):
        name = 'shmalloc_' + name
        self.called.add(name)
        return getattr(_raw.library(), name)


class RawCase(Case):
    """Calls that are tried with err and without."""

    lib = Recorder()

    #: Names of the functions that the class is about.
    functions = ()

    @classmethod
    def tearDownClass(cls):
        missing = set(cls.functions) - cls.lib.called
        assert not missing, f'never called: {sorted(missing)}'

    def ok(self, name, *arguments):
        """The call succeeds, and does not write err."""
        err = _raw.Error(status=77)
        status = getattr(self.lib, name)(*arguments, byref(err))
        self.assertEqual((status, err.status), (OK, 77), err.message)

    def fails(self, wanted, name, *arguments, again=True):
        """The call fails like that, with err and (`again`) without, and the message is text; returns err."""
        err = _raw.Error()
        status = getattr(self.lib, name)(*arguments, byref(err))
        wanted = C[f'SHMALLOC_STATUS_{wanted}']
        self.assertEqual((status, err.status), (wanted, wanted), err.message)
        self.assertGreater(len(err.message.decode()), 10)
        if again:
            self.assertEqual(getattr(self.lib, name)(*arguments, None), wanted, 'without err')
        return err

    def out(self, name, *arguments):
        """An owned handle."""
        handle = c_void_p()
        self.ok(name, *arguments, byref(handle))
        self.assertTrue(handle.value)
        return handle

    def text(self, name, *arguments):
        """A text, by the length dance: no room, too little room, room."""
        length = c_size_t(1 << 40)
        self.fails('NO_SPACE', name, *arguments, None, byref(length))
        needed = length.value
        self.assertLess(needed, 1 << 20)
        room, length = create_string_buffer(b'xyz'), c_size_t(1)
        self.fails('NO_SPACE', name, *arguments, room, byref(length), again=False)  # it sets the length
        self.assertEqual(room.value, b'xyz', 'nothing is cut short')
        self.assertGreater(length.value, 1)
        length = c_size_t(needed + 64)
        room = create_string_buffer(length.value)
        self.ok(name, *arguments, room, byref(length))
        self.assertEqual(len(room.value) + 1, length.value)
        return room.value

    def storage(self, size=4096, params=None, allocator=None):
        return self.out('storage_create', allocator, size, 0, byref(params) if params else None)

    def info(self, storage):
        info = _raw.make(_raw.StorageInfo)
        self.ok('storage_get_info', storage, byref(info))
        return info

    def allocator(self, kind='MAP', config=None):
        params = _raw.make(_raw.AllocatorParams)
        params.kind, params.config, params.name = C[f'SHMALLOC_ALLOCATOR_KIND_{kind}'], config, b'a test'
        return self.out('allocator_create', byref(params))
