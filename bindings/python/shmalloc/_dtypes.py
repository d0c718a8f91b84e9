"""Element types by name: as numpy and torch call them, and as DLPack numbers them."""
from __future__ import annotations

from typing import Any, Tuple, Union

from ._errors import InvalidError

#: DLPack's type code, bits of a lane, lanes.
Code = Tuple[int, int, int]

#: DLPack's type code and the bits of one element.
TYPES = {'int8': (0, 8), 'int16': (0, 16), 'int32': (0, 32), 'int64': (0, 64), 'uint8': (1, 8), 'uint16': (1, 16), 'uint32': (1, 32),
         'uint64': (1, 64), 'float16': (2, 16), 'float32': (2, 32), 'float64': (2, 64), 'bfloat16': (4, 16), 'complex64': (5, 64),
         'complex128': (5, 128), 'bool': (6, 8)}
NAMES = {code: name for name, code in TYPES.items()}


def name_of(dtype: Any) -> str:
    """The name of a type of numpy or torch, of one of numpy's scalar classes, or of what is a name already."""
    return str(dtype.__name__ if isinstance(dtype, type) else dtype).rpartition('.')[2]


def code_of(dtype: Any) -> Code:
    """DLPack's numbers of a type; three numbers are taken as they are."""
    if isinstance(dtype, tuple):
        code, bits, lanes = dtype
        if not (0 <= code < 256 and 0 < bits < 256 and 0 < lanes < 65536):
            raise InvalidError(f'{dtype} is no type code, number of bits and number of lanes')
        return code, bits, lanes
    name = name_of(dtype)
    if name not in TYPES:
        raise InvalidError(f'{name} is no element type here; known are {", ".join(TYPES)}, and DLPack\'s numbers (code, bits, lanes)')
    return (*TYPES[name], 1)


def dtype_of(code: Code) -> Union[str, Code]:
    """The reverse: a name, or the numbers where there is none."""
    return NAMES.get(code[:2], code) if code[2] == 1 else code
