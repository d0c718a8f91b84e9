"""What selftest.py breaks, and what the guard must say then. One case a line of thought, not one a line of code."""
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import stub
from guard import architecture, headers_of, run

BASE = 'include/shmalloc/base.h'
MAP = 'src/shmalloc.map'


@dataclass
class Case:
    """`prepare` makes the copy whole and returns the guard's arguments; `break_it` may return others."""
    script: str
    what: str
    expected: str
    break_it: Callable
    prepare: Callable = lambda copy: []


def edit(name, pattern, by):
    """A break by one replacement in one file."""
    return lambda copy: copy.edit(name, pattern, by)


def rebuild(copy):
    """A stub of the copy's headers, with its version script, under the soname of the real library."""
    import version_tie
    soversion = '.'.join(version_tie.project_version(copy.root).split('.')[:2 if version_tie.before_one(copy.root) else 1])
    return ['--lib', stub.build(copy.root / 'include', copy.root / MAP, copy.scratch / 'stub', soversion)]


def with_dump(copy):
    """A stub that is what the copy's dump says."""
    import dump
    arguments = rebuild(copy)
    copy.write(f'abi/{architecture()}/libshmalloc.abi', dump.dump(arguments[1], copy.root / 'include'))
    return arguments


def with_release(copy):
    """The same after a release."""
    arguments = with_dump(copy)
    import version_tie
    folder = copy.root / 'abi' / architecture()
    (folder / 'releases').mkdir()
    shutil.copy(folder / 'libshmalloc.abi', folder / 'releases' / f'libshmalloc-{version_tie.project_version(copy.root)}.abi')
    return [*arguments, '--release', 'last']


def stripped(copy):
    """The trap of abigail: a dump of a stripped library, which equals anything."""
    import dump
    library = rebuild(copy)[1]
    run(['strip', '--strip-unneeded', library], check=True)
    copy.write(f'abi/{architecture()}/libshmalloc.abi', dump.dump(library, copy.root / 'include'))


def renumbered(copy):
    """A changed interface, built."""
    copy.edit(BASE, 'SHMALLOC_STATUS_INVALID = -1', 'SHMALLOC_STATUS_INVALID = -99')
    return rebuild(copy)


def declared_only(copy):
    """A function that only the header has."""
    copy.edit(BASE, r'^SHMALLOC_API uint32_t shmalloc_version\(void\);',
              '\\g<0>\n/** Threading: any. Call: leaf. Since: 0.1 */\nSHMALLOC_API void shmalloc_broken(void);')


def upwards(copy):
    """A file of the lowest layer that includes one of the next."""
    copy.write('src/cpp/os/broken.hpp', '')
    copy.write('src/cpp/base/broken.hpp', '#include "os/broken.hpp"\n')


def leaking(copy):
    """A library that exports a function of OpenSHMEM's name."""
    source = copy.scratch / 'leak.c'
    source.write_text('int shmalloc_version(void) { return 0; }\nint shrealloc(void) { return 0; }\n')
    run(['gcc', '-shared', '-fPIC', source, '-o', copy.scratch / 'libleak.so'], check=True)
    return ['--lib', copy.scratch / 'libleak.so']


def whole_parity(copy):
    """The guard of symbols over a stub, with a docs/parity.md that names everything, whether or not the real one does by now."""
    functions = headers_of(copy.root / 'include').functions
    copy.write('docs/parity.md', ''.join(f'| M1 | `{name}` | works |\n' for name in functions))
    return rebuild(copy)


def system_call_in(layer):
    """An archive with one object that maps memory by itself, in the given layer, and one of os that may."""
    def make(copy):
        source = copy.scratch / 'call.c'
        source.write_text('#include <unistd.h>\nint f(void) { return close(0); }\n')
        objects = [copy.scratch / f'cpp_{name}_x.cpp.o' for name in {'os', layer}]
        for name in objects:
            run(['gcc', '-c', source, '-o', name], check=True)
        archive = copy.scratch / 'libcall.a'
        archive.unlink(missing_ok=True)
        run(['ar', 'rc', archive, *objects], check=True)
        return ['--archive', archive]
    return make


def table_of_headers(copy):
    """A raw table for Python that says exactly what the copy's abi/constants.json says."""
    import constants
    contract = constants.read(headers_of(copy.root / 'include'), ['cc'])
    copy.write('abi/constants.json', json.dumps(contract))
    with_dump(copy)
    copy.write('bindings/python/shmalloc/__init__.py', '')
    copy.write('bindings/python/shmalloc/_raw.py', (Path(__file__).parent / 'stub_table.txt').read_text())
    return []


def staged(copy):
    """The build, installed into the scratch folder."""
    root = copy.scratch / 'root'
    run(['meson', 'install', '--no-rebuild', '-C', copy.build, '--destdir', root], check=True)
    return ['--staged', root]


def one_vector(change):
    """Changes the facts beside one good vector."""
    def act(copy):
        for path in sorted((copy.root / 'abi' / 'wire').glob('*.json')):
            facts = json.loads(path.read_text())
            if facts['status'] == 'OK':
                change(facts)
                path.write_text(json.dumps(facts))
                return
        raise RuntimeError('there is no good vector')
    return act


def cases(args):
    """All of them."""
    lib = lambda copy: ['--lib', args.lib]  # noqa: E731
    in_function = r'(shmalloc_status shmalloc_abi_lookup\(const char \*)name'
    return [
        Case('headers_alone', 'a type that C99 does not have', 'in gcc -std=c99',
             edit(BASE, r'^SHMALLOC_API uint32_t shmalloc_version', 'SHMALLOC_API bool shmalloc_version')),
        Case('headers_alone', 'a warning of C++11 only', r'in (g|clang)\+\+ -std=c\+\+11',
             edit(BASE, r'  T value = T\(\);', '  auto unused = 0;\n\\g<0>')),
        Case('header_rules', '#pragma once', 'does not know #pragma',
             edit(BASE, r'^#ifndef SHMALLOC_BASE_H', '#pragma once\n\\g<0>')),
        Case('header_rules', 'another include guard', 'must begin with #ifndef SHMALLOC_BASE_H',
             edit(BASE, r'#ifndef SHMALLOC_BASE_H\n#define SHMALLOC_BASE_H', '#ifndef BASE_H\n#define BASE_H')),
        Case('header_rules', 'no Threading word', 'does not say "Threading:"',
             edit(BASE, r'Threading: any\. Call: leaf', 'Call: leaf')),
        Case('header_rules', 'a word that is not in the vocabulary', 'its comment must end with',
             edit(BASE, r'Threading: any\. Call: leaf', 'Threading: any. Call: quick')),
        Case('header_rules', 'an unknown mark', 'no word of the vocabulary',
             edit(BASE, r'@param name \(borrowed\)', '@param name (lent)')),
        Case('header_rules', 'a pointer without a mark', 'is a pointer, so',
             edit(BASE, r'@param name \(borrowed\)', '@param name')),
        Case('header_rules', 'a parameter without a line', 'has no @param line for "name"', edit(BASE, r'@param name ', 'name ')),
        Case('header_rules', 'a line without its parameter', 'documents a parameter "name"', edit(BASE, in_function, r'\1other')),
        Case('header_rules', 'an enumerator of another name', 'an enumerator of shmalloc_status begins with',
             edit(BASE, r'SHMALLOC_STATUS_OK = 0', 'SHMALLOC_FINE = 0')),
        Case('header_rules', 'no FORCE32', 'its last enumerator must be', edit(BASE, r'SHMALLOC_STATUS_FORCE32 = 0x7fffffff', '')),
        Case('header_rules', 'padding', 'bytes of padding', edit(BASE, r'int32_t os_error;', 'int16_t os_error;')),
        Case('header_rules', 'a declaration of another shape', 'does not understand',
             edit(BASE, r'^SHMALLOC_API uint32_t shmalloc_version', 'extern uint32_t shmalloc_version')),
        Case('constants_match', 'a renumbered enumerator', 'STATUS_INVALID',
             edit(BASE, 'SHMALLOC_STATUS_INVALID = -1', 'SHMALLOC_STATUS_INVALID = -99')),
        Case('constants_match', 'a macro that only ctags sees', 'macro SHMALLOC_HIDDEN is not',
             edit(BASE, r'^extern "C" \{', '#define SHMALLOC_HIDDEN 1\n\\g<0>')),
        Case('constants_match', 'a contract that says less', 'threading',
             edit(BASE, r'Threading: any\. Call: leaf', 'Threading: serial. Call: leaf')),
        Case('constants_match', 'a library of other headers', 'shmalloc_abi_lookup', rebuild, lib),
        Case('symbols_leak', 'a bare name exported', 'shrealloc is exported', leaking, lib),
        Case('symbols_agree', 'a function that the map lacks', 'shmalloc_version_string is missing in src/shmalloc.map',
             edit(MAP, r'^ *shmalloc_version_string;\n', ''), whole_parity),
        Case('symbols_agree', 'a function that the library lacks', 'shmalloc_broken is missing in .*the library',
             declared_only, whole_parity),
        Case('symbols_agree', 'a map that is not sorted', 'are not sorted',
             edit(MAP, r'^( *shmalloc_version;\n)( *\w+;\n)', r'\2\1'), whole_parity),
        Case('symbols_agree', 'a glob', 'no plain function name', edit(MAP, r'^ *shmalloc_version;', 'shmalloc_version*;'),
             whole_parity),
        Case('symbols_agree', 'no local: *', 'ends with "local: \\*;"', edit(MAP, r'local:\s*\*;', ''), whole_parity),
        Case('symbols_agree', 'another Since', 'its comment says SHMALLOC_9.9', edit(BASE, r'Since: 0\.1', 'Since: 9.9'),
             whole_parity),
        Case('symbols_agree', 'a function that no row names', 'no row names shmalloc_version_string',
             edit('docs/parity.md', r'^[^\n]*shmalloc_version_string[^\n]*\n', ''), whole_parity),
        Case('symbols_agree', 'a row that works by nothing', 'which no header has',
             edit('docs/parity.md', '`shmalloc_version`', '`shmalloc_version` `shmalloc_imagined`'), whole_parity),
        Case('dump_current', 'a changed interface', 'abi-update', renumbered, with_dump),
        Case('dump_current', 'a dump of a stripped library', 'stripped library', stripped, with_dump),
        Case('abi_unchanged', 'a changed interface', 'abidiff --harmless', renumbered, with_dump),
        Case('abi_unchanged', 'a change since the release', 'abidiff --no-added-syms',
             lambda copy: [*renumbered(copy), '--release', 'last'], with_release),
        Case('gates_see', 'a gate that is blind', 'would not see it', stripped, lambda copy: with_dump(copy)[:0]),
        Case('installed', 'a header is not installed', 'does not build',
             lambda copy: next((copy.scratch / 'root').rglob('ipc.h')).unlink(), staged),
        Case('installed', 'the .pc file forgets a library', 'static does not build',
             lambda copy: forget_cpp(next((copy.scratch / 'root').rglob('shmalloc.pc'))), staged),
        Case('version_tie', 'the header says another version', 'SHMALLOC_VERSION_PATCH is 7',
             edit(BASE, r'#define SHMALLOC_VERSION_PATCH \d+', '#define SHMALLOC_VERSION_PATCH 7'), changelog),
        Case('version_tie', 'the project says another version', 'the project has version 7.7.7',
             edit('meson.build', r"(version:\s*)'\d+\.\d+\.\d+'", r"\1'7.7.7'"), changelog),
        Case('version_tie', 'a changelog that stopped', 'the top entry of CHANGELOG.md',
             lambda copy: copy.write('CHANGELOG.md', '## 0.0.1\n'), changelog),
        Case('version_tie', 'an old map', 'the newest node', edit(MAP, r'SHMALLOC_\d+\.\d+ \{', 'SHMALLOC_0.0 {'), changelog),
        Case('version_tie', 'another soname', 'the soname is', leaking, lambda copy: [*changelog(copy), *lib(copy)]),
        Case('layers', 'base includes os', 'includes "os/broken.hpp" of the higher layer os',
             upwards),
        Case('layers', 'CUDA outside device/cuda', 'only src/cpp/device/cuda may',
             lambda copy: copy.write('src/cpp/storage/broken.cpp', '#include <cuda.h>\n')),
        Case('layers', 'a new folder', 'is no layer', lambda copy: copy.write('src/cpp/misc/broken.cpp', '')),
        Case('system_calls', 'a system call in storage', 'cpp_storage_x.cpp.o calls close', system_call_in('storage'),
             system_call_in('os')),
        Case('system_calls', 'an archive that is not ours', 'is not our library', lambda copy: ['--archive', leaking(copy)[1]],
             system_call_in('os')),
        Case('file_length', 'a file of 601 lines', 'has 601 lines', lambda copy: copy.write('src/cpp/base/long.cpp', '\n' * 601)),
        Case('format', 'a line out of format', 'line 1', lambda copy: copy.write('src/cpp/base/broken.hpp', 'int  x ;\n'),
             formatted),
        Case('wire_vectors', 'another fact', 'must be 4711', one_vector(lambda facts: facts['info'].update(size=4711)), lib),
        Case('wire_vectors', 'another text', 'its text is', one_vector(lambda facts: facts.update(text='x')), lib),
        Case('wire_vectors', 'another verdict', 'it must answer CORRUPT', one_vector(lambda facts: facts.update(status='CORRUPT')),
             lib),
        Case('wire_vectors', 'no vectors', '0 of 0 vectors', lambda copy: shutil.rmtree(copy.root / 'abi' / 'wire'), lib),
        Case('bindings_complete', 'a raw layer of before', 'raw.rs is not what abi/make_raw.py makes',
             edit('bindings/rust/shmalloc-sys/src/raw.rs', r'pub fn shmalloc_version\(\)', 'pub fn shmalloc_version(of: i32)')),
        Case('bindings_complete', 'a function without a binding', 'Go has no shmalloc_storage_seal',
             edit('bindings/go/storage.go', r'C\.shmalloc_storage_seal', 'C.shmalloc_storage_grow')),
        Case('bindings_complete', 'one that Python lacks', 'Python has no shmalloc_storage_seal',
             edit('bindings/python/shmalloc/storage.py', r"'storage_seal'", "'storage_grow'")),
        Case('python_table', 'a constant', 'SHMALLOC_STATUS_INVALID is', raw("CONSTANTS['SHMALLOC_STATUS_INVALID'] = 5"),
             table_of_headers),
        Case('python_table', 'a constant missing', 'CONSTANTS has no', raw("del CONSTANTS['SHMALLOC_STATUS_INVALID']"),
             table_of_headers),
        Case('python_table', 'a function missing', 'FUNCTIONS has no shmalloc_version', raw("del FUNCTIONS['shmalloc_version']"),
             table_of_headers),
        Case('python_table', 'a narrower result', 'shmalloc_version: result is uint32_t',
             raw("FUNCTIONS['shmalloc_version'] = (ctypes.c_uint16, [])"), table_of_headers),
        Case('python_table', 'a parameter missing', 'FUNCTIONS gives it 1',
             raw("FUNCTIONS['shmalloc_abi_lookup'] = (ctypes.c_int32, [ctypes.c_char_p])"), table_of_headers),
        Case('python_table', 'a moved field', 'shmalloc_error.os_error is at',
             raw("STRUCTS['shmalloc_error'] = layout('shmalloc_error', swap=True)"), table_of_headers),
    ]


def raw(line):
    """A break at the end of the Python table."""
    name = 'bindings/python/shmalloc/_raw.py'
    return lambda copy: copy.write(name, (copy.root / name).read_text() + line + '\n')


def forget_cpp(path):
    """A .pc file without the C++ library."""
    path.write_text(path.read_text().replace('-lstdc++', ''))


def changelog(copy):
    """A CHANGELOG.md that fits, whatever the real one says by now."""
    import version_tie
    copy.write('CHANGELOG.md', f'# Changes\n\n## {version_tie.project_version(copy.root)}\n')
    return []


def formatted(copy):
    """Only one folder, formatted: what else is not must not hide the case."""
    for folder in ('include', 'examples', 'src', 'tests'):
        shutil.rmtree(copy.root / folder)
    copy.write('src/cpp/base/broken.hpp', 'int x;\n')
    return []
