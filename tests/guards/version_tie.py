"""One version: the project's, the header's, the soname's, that of the map's newest node, and that of CHANGELOG's top entry."""
import re

from guard import Guard, need, run, version_nodes


def project_version(root):
    """As meson.build says it."""
    return re.search(r"project\([^)]*?\bversion:\s*'([^']+)'", (root / 'meson.build').read_text(), re.S).group(1)


def before_one(root):
    """Before 1.0 a minor version may break the ABI."""
    return project_version(root).startswith('0.')


def main():
    guard = Guard(__doc__, 'lib')
    version = project_version(guard.root)
    major, minor, patch = (int(part) for part in version.split('.'))
    text = guard.path('include', 'shmalloc', 'base.h').read_text()
    macros = dict(re.findall(r'#define (SHMALLOC_VERSION\w*) (\d+)$', text, re.M))
    wanted = {'SHMALLOC_VERSION_MAJOR': major, 'SHMALLOC_VERSION_MINOR': minor, 'SHMALLOC_VERSION_PATCH': patch,
              'SHMALLOC_VERSION': major * 10**6 + minor * 10**3 + patch}
    for name, value in wanted.items():
        if macros.get(name) != str(value):
            guard.bad(f'{name} is {macros.get(name)}; the project has version {version}, so it must be {value}')

    nodes = [node for node, *_ in version_nodes(guard.path('src', 'shmalloc.map').read_text()) if node != 'SHMALLOC_EXPERIMENTAL']
    if not nodes or nodes[-1] != f'SHMALLOC_{major}.{minor}':
        guard.bad(f'the newest node of src/shmalloc.map is {nodes[-1:]}, not SHMALLOC_{major}.{minor}')

    changelog = guard.path('CHANGELOG.md')
    entry = re.search(r'^## \[?v?(\d+\.\d+(?:\.\d+)?)', changelog.read_text(), re.M) if changelog.exists() else None
    if not entry:
        guard.bad('CHANGELOG.md has no entry "## <version>"')
    elif entry.group(1) not in (version, f'{major}.{minor}' if patch == 0 else version):
        guard.bad(f'the top entry of CHANGELOG.md is {entry.group(1)}, the project has version {version}')

    if guard.args.lib:
        soversion = f'0.{minor}' if major == 0 else str(major)
        dynamic = run([need('readelf'), '-d', guard.args.lib], check=True).stdout
        soname = re.search(r'SONAME.*\[(.*)\]', dynamic)
        if not soname or soname.group(1) != f'libshmalloc.so.{soversion}':
            guard.bad(f'the soname is {soname and soname.group(1)}, not libshmalloc.so.{soversion}')
    guard.verdict(f'everything says {version}')


if __name__ == '__main__':
    main()
