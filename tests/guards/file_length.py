"""No file of more than 600 lines: that is two things in one, or tests of two things."""
from guard import Guard, sources

LIMIT = 600
FOLDERS = ('include', 'src', 'tests', 'tools', 'examples', 'bench', 'bindings', 'abi', '.ci')
SUFFIXES = ('.c', '.h', '.cpp', '.hpp', '.py', '.sh', '.rs', '.go', '.jl', '.build')


def main():
    guard = Guard(__doc__)
    files = list(sources(guard.root, *FOLDERS, suffixes=SUFFIXES)) + [guard.path('dev')]
    for path in files:
        lines = path.read_text(errors='replace').count('\n')
        if lines > LIMIT:
            guard.bad(f'{guard.name(path)} has {lines} lines; {LIMIT} is the limit')
    guard.verdict(f'{len(files)} files, none over {LIMIT} lines')


main()
