"""No file of more than 600 lines: that is two things in one, or tests of two things. What make_raw.py made is not counted."""
from guard import Guard, sources

LIMIT = 600
FOLDERS = ('include', 'src', 'tests', 'tools', 'examples', 'bench', 'bindings', 'abi', '.ci')
SUFFIXES = ('.c', '.h', '.cpp', '.hpp', '.py', '.sh', '.rs', '.go', '.jl', '.build')


def main():
    guard = Guard(__doc__)
    import make_raw
    made = {guard.path(*name.split('/')) for name in make_raw.files(guard.root)}
    files = [path for path in sources(guard.root, *FOLDERS, suffixes=SUFFIXES) if path not in made] + [guard.path('dev')]
    for path in files:
        lines = path.read_text(errors='replace').count('\n')
        if lines > LIMIT:
            guard.bad(f'{guard.name(path)} has {lines} lines; {LIMIT} is the limit')
    guard.verdict(f'{len(files)} files, none over {LIMIT} lines')


main()
