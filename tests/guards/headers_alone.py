"""Each public header compiles alone, twice included, in every standard of two compilers, without one warning."""
from concurrent.futures import ThreadPoolExecutor

from guard import Guard, headers_of, need, run

COMPILERS = (('gcc', 'c'), ('g++', 'c++'), ('clang', 'c'), ('clang++', 'c++'))
STANDARDS = {'c': ('c99', 'c11', 'c17', 'c2x'), 'c++': ('c++11', 'c++14', 'c++17', 'c++20', 'c++2b')}
FLAGS = ('-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fsyntax-only')


def program(header, headers):
    """Includes the header twice and makes one of each struct that it declares."""
    lines = [f'#include "{header}"'] * 2
    for struct in headers.structs.values():
        if struct['where'].split(':')[0] == header and struct['fields'][0]['name'] == 'struct_size':
            name = struct['name']
            lines += [f'{name} make_{name}(void);',
                      f'{name} make_{name}(void) {{ {name} value = SHMALLOC_INIT({name}); return value; }}']
    return '\n'.join(lines) + '\nint main(void) { return 0; }\n'


def main():
    guard = Guard(__doc__)
    headers = headers_of(guard.include)
    names = [str(path.relative_to(guard.include)) for path in headers.files]
    for compiler, _ in COMPILERS:
        need(compiler)

    def one(job):
        header, compiler, language, standard = job
        done = run([compiler, f'-std={standard}', *FLAGS, '-I', guard.include, '-x', language, '-'],
                   input=program(header, headers))
        return '' if done.returncode == 0 else f'{header} in {compiler} -std={standard}:\n{done.stderr}'

    jobs = [(header, compiler, language, standard) for header in names for compiler, language in COMPILERS
            for standard in STANDARDS[language]]
    with ThreadPoolExecutor(2) as pool:
        for answer in pool.map(one, jobs):
            if answer:
                guard.bad(answer)
    guard.verdict(f'{len(names)} headers, {len(jobs)} compilations, no warning')


main()
