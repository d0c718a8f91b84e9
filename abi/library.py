"""A built libshmalloc in Python, made from abi/constants.json: what guards and makers of vectors call it with.

Not a binding: it has no idea of ownership. Structs are ctypes structures by their public names, functions have their types.
"""
import ctypes
import json
from pathlib import Path

PLAIN = {f'{sign}int{bits}_t': getattr(ctypes, f'c_{sign}int{bits}') for sign in ('', 'u') for bits in (8, 16, 32, 64)}
PLAIN.update({'size_t': ctypes.c_size_t, 'char': ctypes.c_char, 'void': None})


class Failed(Exception):
    """A call returned another status than OK."""


class Library:
    """Functions are called by name: `call` checks the status, `function` gives the raw ctypes function."""

    def __init__(self, path, constants_json):
        self.contract = json.loads(Path(constants_json).read_text())
        self.values = self.contract['values']
        self._library = ctypes.CDLL(str(path))
        names = self.contract['enums']['shmalloc_status']
        self._status_names = {self.values[name]: name[len('SHMALLOC_STATUS_'):] for name in names}

    def _type(self, c_type):
        if c_type in ('const char *', 'char *'):
            return ctypes.c_char_p if c_type.startswith('const') else ctypes.c_void_p
        if '*' in c_type or c_type in self.contract['callbacks']:
            return ctypes.c_void_p
        if c_type in self.contract['enums']:
            return ctypes.c_int32
        return PLAIN[self.contract['scalars'].get(c_type, c_type)]

    def struct(self, name, /, **fields):
        """One struct, zero but for the fields given, struct_size set."""
        rows = []
        for field in self.contract['structs'][name]['fields']:
            c_type = self._type(field['type'])
            if 'length' in field:
                length = field['length']
                c_type = c_type * (int(length) if length.isdigit() else self.values[length])
            rows.append((field['name'], c_type))
        value = type(name, (ctypes.Structure,), {'_fields_': rows})()
        if rows[0][0] == 'struct_size':
            value.struct_size = ctypes.sizeof(value)
        for field, given in fields.items():
            setattr(value, field, given)
        return value

    def function(self, name):
        """A ctypes function with the types of the header."""
        found = getattr(self._library, name)
        found.restype = self._type(self.contract['functions'][name]['returns'])
        found.argtypes = [self._type(p['type']) for p in self.contract['functions'][name]['parameters']]
        return found

    def status(self, name, *arguments):
        """(name of the status, message) of a fallible call; `arguments` without err."""
        error = self.struct('shmalloc_error')
        code = self.function(name)(*[ctypes.addressof(a) if isinstance(a, (ctypes.Structure, ctypes.Array)) or hasattr(a, 'value')
                                     else a for a in arguments], ctypes.addressof(error))
        return self._status_names.get(code, str(code)), error.message.decode(errors='replace')

    def call(self, name, *arguments):
        """A fallible call that must succeed."""
        status, message = self.status(name, *arguments)
        if status != 'OK':
            raise Failed(f'{name}: {status}: {message}')

    def sized(self, name, *arguments, terminated=False):
        """The bytes that a call of the kind (.., buffer, inout_length, err) gives."""
        length = ctypes.c_size_t(4096)
        buffer = ctypes.create_string_buffer(length.value)
        self.call(name, *arguments, buffer, length)
        return buffer.raw[:length.value - (1 if terminated else 0)]
