"""NumPy arrays over bytes. NumPy is imported when one is asked for."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Iterable

from ._errors import InvalidError

if TYPE_CHECKING:
    import numpy


def over(view: memoryview, dtype: Any, shape: int | Iterable[int], offset: int) -> numpy.ndarray[Any, Any]:
    """An array over the bytes of `view`, which it holds."""
    import numpy
    element = numpy.dtype(dtype)
    if element.hasobject:
        raise InvalidError(f'elements of {element} are objects of this process; they can not lie in a storage')
    lengths = [shape] if isinstance(shape, int) else list(shape)
    room = len(view) - offset
    if -1 in lengths:
        at = lengths.index(-1)
        lengths[at] = 1
        size = math.prod(lengths) * element.itemsize
        if room < 0 or not size or room % size:
            raise InvalidError(f'{room} bytes from offset {offset} on are not a whole number of {size} bytes')
        lengths[at] = room // size
    if offset < 0 or min(lengths, default=0) < 0 or math.prod(lengths) * element.itemsize > room:
        raise InvalidError(f'an array of {element} and shape {tuple(lengths)} at {offset} reaches beyond the {len(view)} bytes')
    # By way of frombuffer: of a read-only memoryview given to ndarray itself numpy sees what is behind it, and may make it writable.
    array: numpy.ndarray[Any, Any] = numpy.ndarray(lengths, element, numpy.frombuffer(view, 'u1'), offset)
    return array
