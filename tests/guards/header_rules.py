"""The headers keep their own rules: include guards, names, closed vocabulary of the comments, no padding."""
import re

from guard import Guard, headers_of, need


def include_guards(guard, path):
    name = str(path.relative_to(guard.include))
    text = re.sub(r'/\*.*?\*/', '', path.read_text(), flags=re.S)
    macro = re.sub(r'\W', '_', name).upper()
    directives = re.findall(r'^[ \t]*#[ \t]*(.*\S)', text, re.M)
    if directives[:2] != [f'ifndef {macro}', f'define {macro}'] or directives[-1] != 'endif':
        guard.bad(f'include/{name}: must begin with #ifndef {macro} and #define {macro}, and end with #endif')


def main():
    guard = Guard(__doc__)
    import constants
    import headers
    found = headers_of(guard.include)
    for path in found.files:
        include_guards(guard, path)
    try:
        constants.read(found, [need('cc')])
    except headers.HeaderError as error:
        guard.bad(str(error))
    guard.verdict('include guards, names and contracts are as they must be')


main()
