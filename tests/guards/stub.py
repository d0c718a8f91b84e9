"""A library with the whole interface of a header folder and nothing behind it.

The guards that must see a changed ABI need a changed library; building the real one again for each change would take
minutes. Debug information of a stub describes the same functions and types, so abidw and abidiff treat both alike.
"""
from pathlib import Path

from guard import headers_of, run


def source(headers):
    """C++ that defines every function of the headers."""
    lines = [f'#include "{path.relative_to(headers.include_dir)}"' for path in headers.files]
    for function in headers.functions.values():
        parameters = ', '.join(f'{p["type"]} {p["name"]}' for p in function['parameters'])
        lines.append(f'{function["returns"]} {function["name"]}({parameters}) {{ return {function["returns"]}(); }}'
                     if '*' not in function['returns'] else
                     f'{function["returns"]} {function["name"]}({parameters}) {{ return nullptr; }}')
    return '\n'.join(lines) + '\n'


def build(include, version_script, folder, soversion='0'):
    """Compiles folder/libshmalloc.so; returns its path. Debug information as in the real build: -O2 -g. Without -fno-ipa-icf the
    compiler would make functions that do the same one function with two names."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'stub.cpp').write_text(source(headers_of(include)))
    library = folder / 'libshmalloc.so'
    done = run(['g++', '-std=c++20', '-O2', '-g', '-fPIC', '-shared', '-w', '-fno-ipa-icf', '-fvisibility=hidden', '-I', include,
                f'-Wl,--version-script,{version_script}', f'-Wl,-soname,libshmalloc.so.{soversion}', folder / 'stub.cpp',
                '-o', library])
    if done.returncode:
        raise RuntimeError(f'the stub library does not compile:\n{done.stderr}')
    return library
