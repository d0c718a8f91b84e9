#!/usr/bin/env python3
"""Reads shmalloc's public headers.

  headers.py table INCLUDE_DIR OUTPUT    rows for src/abi.cpp, one for each constant, size and offset
  headers.py contract INCLUDE_DIR        each declaration with what its comment promises, as JSON
  headers.py constants INCLUDE_DIR CC    the same with every value, asked of a C compiler: abi/constants.json

The parser knows the few shapes of declaration that our headers use and refuses anything else, so that no public name
can slip past the guards. Python 3.9, standard library only: every build runs it.
"""
import json
import re
import sys
from pathlib import Path

# Object-like macros that are no constants.
NOT_CONSTANTS = {'SHMALLOC_API'}

COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.S)
MARK = re.compile(r'\x01(\d+)\x02')
DIRECTIVE = re.compile(r'[ \t]*#[ \t]*(\w+)[ \t]*(.*)')
DEFINE = re.compile(r'(\w+)(\([^)]*\))?\s*(.*)', re.S)

ENUM = re.compile(r'typedef\s+enum\s+(\w+)\s*\{([^}]*)\}\s*(\w+)\s*;')
STRUCT = re.compile(r'typedef\s+struct\s+(\w+)\s*\{([^}]*)\}\s*(\w+)\s*;')
FOREIGN = re.compile(r'struct\s+(\w+)\s*;')  # a struct of somebody else's header, only named here
HANDLE = re.compile(r'typedef\s+struct\s+(\w+)\s+(\w+)\s*;')
CALLBACK = re.compile(r'typedef\s+([\w\s*]+?)\(\s*\*\s*(\w+)\s*\)\s*\(([^()]*)\)\s*;')
SCALAR = re.compile(r'typedef\s+((?:\w+\s+)+)(\w+)\s*;')
FUNCTION = re.compile(r'SHMALLOC_API\s+([\w\s*]+?[\s*])(\w+)\s*\(([^()]*)\)\s*;')
FIELD = re.compile(r'\s*([\w\s*]+?[\s*])(\w+)\s*(?:\[(\w+)\])?\s*;[ \t]*(?:\x01(\d+)\x02)?')
ENUMERATOR = re.compile(r'(\w+)\s*=\s*(-?\w+(?:\s*<<\s*\w+)?)$')
PARAMETER = re.compile(r'(.*?[\s*])(\w+)$', re.S)


class HeaderError(Exception):
    """A header says something that its readers may not rely on."""


def tidy(c_type):
    """One spelling for each type: 'const  char*' becomes 'const char *'."""
    text = ' '.join(re.sub(r'\*', ' * ', c_type).split())
    return re.sub(r'\* (?=\*)', '*', text)


def comment_text(comment):
    """A comment without its stars."""
    body = re.sub(r'^/\*\*?<?|\*/$', '', comment)
    return '\n'.join(re.sub(r'^\s*\*\s?', '', line).rstrip() for line in body.splitlines()).strip()


class Headers:
    """All public declarations. Each is a dict with 'name', 'where' and 'doc'."""

    def __init__(self, include_dir):
        self.include_dir = Path(include_dir)
        self.files = [self.include_dir / 'shmalloc.h'] + sorted((self.include_dir / 'shmalloc').glob('*.h'))
        self.enums, self.structs, self.handles = {}, {}, {}
        self.callbacks, self.scalars, self.functions = {}, {}, {}
        self.macros, self.function_macros, self.include_guards = {}, {}, {}
        for path in self.files:
            self._read(path)

    # What a reader of the headers asks for.

    def names(self):
        """Every public name with the declaration that makes it, enumerators included, fields not."""
        found = {}
        for kind in (self.enums, self.structs, self.handles, self.callbacks, self.scalars, self.functions, self.macros,
                     self.function_macros):
            found.update(kind)
        for enum in self.enums.values():
            found.update({name: enum for name, _ in enum['enumerators']})
        return found

    def constants(self):
        """Names with an integer value: enumerators and object-like macros."""
        names = [name for enum in self.enums.values() for name, _ in enum['enumerators']]
        return sorted(names + [name for name in self.macros if name not in NOT_CONSTANTS])

    def layout(self):
        """(name as shmalloc_abi_lookup takes it, C expression) of each size and offset."""
        rows = [(f'sizeof({name})', f'sizeof({name})') for name in [*self.structs, *self.scalars]]
        for struct in self.structs.values():
            name = struct['name']
            rows += [(f'offsetof({name},{f["name"]})', f'offsetof({name}, {f["name"]})') for f in struct['fields']]
        return sorted(rows)

    # Parsing.

    def _read(self, path):
        original = path.read_text()
        comments = []

        def keep(match):
            comments.append(match.group(0))
            # As many lines as before, so that offsets still tell the line.
            return f'\x01{len(comments) - 1}\x02' + '\n' * match.group(0).count('\n')

        text = COMMENT.sub(keep, original)
        text = re.sub(r'\\\n', lambda _: ' \x03', text)  # \x03: a line break inside a directive
        header = str(path.relative_to(self.include_dir))
        self._declarations(header, self._directives(header, text), comments)

    def _directives(self, header, text):
        """Notes macros, drops what is for C++ only; returns the plain C, with \\x04 where a directive was."""
        kept, active = [], []
        line_number = 1
        for line in text.split('\n'):
            where = f'{header}:{line_number}'
            joined = line.count('\x03')
            line_number += 1 + joined
            match = DIRECTIVE.match(line)
            if match:
                word, rest = match.group(1), MARK.sub('', match.group(2)).replace('\x03', ' ').strip()
                self._directive(where, word, rest, active)
                line = '\x04'
            elif not all(active):
                line = ''
            kept.append(line.replace('\x03', '') + '\n' * joined)
        if active:
            raise HeaderError(f'{header}: an #if without #endif')
        return '\n'.join(kept)

    def _directive(self, where, word, rest, active):
        if word == 'ifndef' and rest.endswith('_H'):
            active.append(True)
        elif word == 'ifdef' and rest == '__cplusplus':
            active.append(False)
        elif word == 'if' and rest == 'defined(__GNUC__)':
            active.append(True)
        elif word in ('if', 'ifdef', 'ifndef', 'elif'):
            raise HeaderError(f'{where}: abi/headers.py does not know the condition "{rest}"; teach it')
        elif word == 'else':
            active[-1] = not active[-1]
        elif word == 'endif':
            active.pop()
        elif word == 'define' and all(active):
            self._define(where, *DEFINE.match(rest).groups())
        elif word not in ('include', 'undef', 'define', 'error'):
            raise HeaderError(f'{where}: abi/headers.py does not know #{word}; public headers use include guards')

    def _define(self, where, name, arguments, value):
        macro = {'name': name, 'where': where, 'value': value, 'doc': ''}
        if arguments:
            self.function_macros[name] = macro
        elif value:
            self.macros[name] = macro
        else:
            self.include_guards[name] = macro

    def _declarations(self, header, text, comments):
        at, doc = 0, ''
        while True:
            at = re.compile(r'\s*').match(text, at).end()
            if at == len(text):
                return
            if text[at] == '\x04':  # a comment before a directive is not the next declaration's
                at, doc = at + 1, ''
                continue
            match = MARK.match(text, at)
            if match:
                comment = comments[int(match.group(1))]
                if comment.startswith('/**') and not comment.startswith('/**<'):
                    doc = comment_text(comment)
            else:
                match = self._declaration(text, at, f'{header}:{text.count(chr(10), 0, at) + 1}', doc, comments)
                doc = ''
            at = match.end()

    def _declaration(self, text, at, where, doc, comments):
        for pattern, take in ((ENUM, self._enum), (STRUCT, self._struct), (HANDLE, self._handle),
                              (CALLBACK, self._callback), (FOREIGN, self._foreign), (SCALAR, self._scalar), (FUNCTION, self._function)):
            match = pattern.match(text, at)
            if match:
                take(match, {'where': where, 'doc': doc}, comments)
                return match
        near = MARK.sub('', text[at:at + 200]).strip().split('\n')[0]
        raise HeaderError(f'{where}: abi/headers.py does not understand "{near}"; teach it, or write it as the others are')

    def _enum(self, match, entry, _comments):
        tag, body, name = match.groups()
        self._same_name(entry, tag, name)
        entry.update(name=name, enumerators=[])
        for part in MARK.sub('', body).split(','):
            if part.strip():
                value = ENUMERATOR.match(part.strip())
                if not value:
                    raise HeaderError(f'{entry["where"]}: {name}: "{part.strip()}" has no explicit value')
                entry['enumerators'].append(value.groups())
        self.enums[name] = entry

    def _struct(self, match, entry, comments):
        tag, body, name = match.groups()
        self._same_name(entry, tag, name)
        entry.update(name=name, fields=[])
        at = 0
        while MARK.sub('', body[at:]).strip():
            field = FIELD.match(body, at)
            if not field:
                raise HeaderError(f'{entry["where"]}: {name}: abi/headers.py does not understand '
                                  f'"{MARK.sub("", body[at:]).strip().splitlines()[0]}"')
            c_type, field_name, length, comment = field.groups()
            entry['fields'].append({'name': field_name, 'type': tidy(c_type), 'length': length,
                                    'doc': comment_text(comments[int(comment)]) if comment else ''})
            at = field.end()
        self.structs[name] = entry

    def _handle(self, match, entry, _comments):
        self._same_name(entry, *match.groups())
        entry['name'] = match.group(2)
        self.handles[entry['name']] = entry

    def _foreign(self, match, entry, _comments):
        if match.group(1).startswith('shmalloc'):
            raise HeaderError(f'{entry["where"]}: {match.group(1)} is ours: handles are typedefs')

    def _callback(self, match, entry, _comments):
        result, name, parameters = match.groups()
        entry.update(name=name, returns=tidy(result), parameters=self._parameters(entry, name, parameters))
        self.callbacks[name] = entry

    def _scalar(self, match, entry, _comments):
        entry.update(name=match.group(2), type=tidy(match.group(1)))
        self.scalars[entry['name']] = entry

    def _function(self, match, entry, _comments):
        result, name, parameters = match.groups()
        entry.update(name=name, returns=tidy(result), parameters=self._parameters(entry, name, parameters))
        self.functions[name] = entry

    @staticmethod
    def _parameters(entry, name, text):
        text = MARK.sub('', text).strip()
        if text == 'void':
            return []
        found = []
        for part in text.split(','):
            match = PARAMETER.match(part.strip())
            if not match:
                raise HeaderError(f'{entry["where"]}: {name}: parameter "{part.strip()}" has no name or is an array')
            found.append({'name': match.group(2), 'type': tidy(match.group(1))})
        return found

    @staticmethod
    def _same_name(entry, tag, name):
        if tag != name:
            raise HeaderError(f'{entry["where"]}: tag {tag} and typedef {name} must be one name')


def table(headers):
    """C++ initialisers, sorted as strcmp sorts: src/abi.cpp searches them by halves."""
    rows = [(name, f'static_cast<std::int64_t>({name})') for name in headers.constants()] + headers.layout()
    return ''.join(f'{{"{name}", {value}}},\n' for name, value in sorted(rows))


def main(argv):
    if len(argv) < 3 or (argv[1], len(argv)) not in (('table', 4), ('contract', 3), ('constants', 4)):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        headers = Headers(argv[2])
        if argv[1] == 'table':
            Path(argv[3]).write_text(table(headers))
            return 0
        # Imported here: the build of the library needs the table only.
        import constants
        import contract
        if argv[1] == 'contract':
            answer = contract.read(headers)
        else:
            answer = constants.read(headers, argv[3].split())
        print(json.dumps(answer, indent=1, sort_keys=True))
        return 0
    except HeaderError as error:
        print(f'headers.py: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    # The modules beside this file import it by its name; without this they would get a second copy of HeaderError.
    sys.modules['headers'] = sys.modules['__main__']
    sys.exit(main(sys.argv))
