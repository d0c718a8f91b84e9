"""What each declaration of the public headers promises, and whether its comment says so in the closed vocabulary.

The words are explained in shmalloc.h. Bindings are generated from and checked against what this file reads, so a word that
is missing or misspelt is an error here and not a surprise there.
"""
import re

from headers import HeaderError

OWNERSHIP = ('borrowed', 'retained', 'owned', 'copied', 'adopted', 'out', 'inout')
MARKS = re.compile(r'((?:\s*\([^()]*\))*)')
ARRAY = re.compile(r'array (\*?)(\w+)$')
TERMS = re.compile(r'Threading:\s+(any|serial|startup)\b((?:,|;|\s+for\s)[^.]*)?\.\s+'
                   r'Call:\s+(leaf|work|wait)(\s+\+cb)?\.\s+Since:\s+(\d+\.\d+)\s*$')
# Values with one layout for ever, which say so in their comments; all other structs can grow.
FIXED_LAYOUT = ('shmalloc_error', 'shmalloc_stat')
PARAM = re.compile(r'^ *@param\s+(\w+)\s*(.*?)(?=^ *@\w|\bThreading:|\Z)', re.S | re.M)


def read(headers):
    """The contract of every declaration; raises HeaderError with all that is wrong."""
    problems = []
    functions = {f['name']: function(f, problems) for f in headers.functions.values()}
    structs = {s['name']: struct(s, problems) for s in headers.structs.values()}
    if problems:
        raise HeaderError('the headers break their own rules:\n  ' + '\n  '.join(problems))
    return {
        'functions': functions,
        'structs': structs,
        'handles': sorted(headers.handles),
        'scalars': {s['name']: s['type'] for s in headers.scalars.values()},
        'enums': {e['name']: [name for name, _ in e['enumerators']] for e in headers.enums.values()},
        'callbacks': {c['name']: {'returns': c['returns'], 'parameters': c['parameters']} for c in headers.callbacks.values()},
    }


def function(entry, problems):
    """The contract of one function."""
    def bad(text):
        problems.append(f'{entry["where"]}: {entry["name"]}: {text}')

    terms = TERMS.search(entry['doc'])
    if not entry['doc']:
        bad('has no comment')
    elif not terms:
        for word in ('Threading:', 'Call:', 'Since:'):
            if word not in entry['doc']:
                bad(f'its comment does not say "{word}"')
        if all(word in entry['doc'] for word in ('Threading:', 'Call:', 'Since:')):
            bad('its comment must end with "Threading: any|serial|startup. Call: leaf|work|wait [+cb]. Since: M.N"; '
                f'it says "{" ".join(entry["doc"][entry["doc"].index("Threading:"):].split())}"')
    if entry['returns'] != 'void' and '@return' not in entry['doc']:
        bad('returns something, but its comment has no @return')

    names = [p['name'] for p in entry['parameters']]
    documented = dict(PARAM.findall(entry['doc']))
    for name in documented:
        if name not in names:
            bad(f'documents a parameter "{name}" that does not exist')
    with_error = bool(names) and names[-1] == 'err' and entry['parameters'][-1]['type'] == 'shmalloc_error *'
    if entry['returns'] == 'shmalloc_status' and not with_error:
        bad('returns a status, so its last parameter must be "shmalloc_error *err"')

    parameters = []
    for parameter in entry['parameters']:
        row = dict(parameter, marks=[])
        if parameter['name'] == 'err' and with_error:
            row['marks'] = ['out', 'nullable']
        elif parameter['name'] not in documented:
            bad(f'has no @param line for "{parameter["name"]}"')
        else:
            row['marks'] = parameter_marks(parameter, documented[parameter['name']], names, bad)
        parameters.append(row)
    return {
        'header': entry['where'].split(':')[0],
        'returns': entry['returns'],
        'parameters': parameters,
        'threading': terms.group(1) if terms else '',
        'threading_note': ' '.join((terms.group(2) or '').strip(' ,;').split()) if terms else '',
        'call': terms.group(3) if terms else '',
        'callbacks': bool(terms and terms.group(4)),
        'since': terms.group(5) if terms else '',
    }


def parameter_marks(parameter, text, names, bad):
    """The marks that a @param line begins with, checked against the parameter's type."""
    name = parameter['name']
    marks = marks_of(text, f'"{name}"', bad)
    for mark in marks:
        array = ARRAY.match(mark)
        if array and array.group(2) not in names and not re.match(r'\d+$|SHMALLOC_\w+$', array.group(2)):
            bad(f'"{name}" is ({mark}), but there is no parameter "{array.group(2)}"')
    owned = [mark for mark in marks if mark in OWNERSHIP or ARRAY.match(mark)]
    if '*' in parameter['type'] and not owned:
        bad(f'"{name}" is a pointer, so its @param line must begin with a mark: one of '
            + ' '.join(f'({word})' for word in OWNERSHIP) + ' (array N)')
    if name.startswith('out_') and not {'out', 'owned'} & set(marks):
        bad(f'"{name}" is an output by its name, but neither (out) nor (owned)')
    if name.startswith('inout_') and 'inout' not in marks:
        bad(f'"{name}" is by its name read and written, but not (inout)')
    return marks


def marks_of(text, what, bad):
    """The marks at the beginning of a description; a parenthesis further on is prose."""
    marks = re.findall(r'\(([^()]*)\)', MARKS.match(text).group(1))
    for mark in marks:
        if mark not in OWNERSHIP and mark != 'nullable' and not ARRAY.match(mark):
            bad(f'{what} begins with "({mark})", which is no word of the vocabulary in shmalloc.h')
    return marks


def struct(entry, problems):
    """Fields of one struct, with marks; and the rules of design for what may be a field."""
    def bad(text):
        problems.append(f'{entry["where"]}: {entry["name"]}: {text}')

    fields = []
    for field in entry['fields']:
        def bad_field(text, name=field['name']):
            bad(f'field {name} {text}')
        row = {'name': field['name'], 'type': field['type'], 'marks': []}
        if field['length']:
            row['length'] = field['length']
        if field['doc'].startswith('('):
            row['marks'] = marks_of(field['doc'], f'field {field["name"]}', bad)
        check_type(field, entry['name'], bad_field)
        fields.append(row)
    first = entry['fields'][0]
    fixed_layout = entry['name'] in FIXED_LAYOUT
    if (first['name'], first['type']) != ('struct_size', 'size_t') and not fixed_layout:
        bad('must begin with "size_t struct_size"')
    return {'header': entry['where'].split(':')[0], 'fields': fields}


def check_type(field, struct_name, bad):
    """Structs hold what every language can lay out: no bool, long, enum or anything of a size that differs."""
    c_type = field['type']
    if field['name'] == 'struct_size':
        return
    fixed = re.match(r'u?int(8|16|32|64)_t$|char$', c_type)
    named = re.match(r'shmalloc_\w+$', c_type)  # a typedef of a fixed type, or a callback: constants.py sees its size
    pointer = re.match(r'(const )?(char|void|u?int(8|16|32|64)_t|shmalloc_\w+) \*$', c_type)
    if not (fixed or named or pointer) or (pointer and field['length']):
        bad(f'of {struct_name} has type "{c_type}": fields are fixed-width integers, char arrays, shmalloc typedefs or pointers')
