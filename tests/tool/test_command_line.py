"""What holds for every command: help, version, usage, JSON, closed outputs; manual page and completions name what there is."""
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from support import NO_SPACE, OK, TOOL, USAGE, Case, run

ROOT = Path(os.environ['SHMALLOC_ROOT'])
COMMANDS = ['info', 'put', 'get', 'ls', 'top', 'stat', 'rm', 'gc']
COMMON = {'json', 'help'}


def options(command):
    """Long options in a command's help, without those that all have."""
    text = run('help', command).stdout.decode()
    return set(re.findall(r'^ .{5}--([a-z-]+)', text, re.M)) - COMMON


class CommandLine(Case):
    def test_help(self):
        overview = self.succeeds('--help').decode()
        self.assertEqual(overview, self.succeeds('help').decode())
        for command in COMMANDS:
            self.assertRegex(overview, rf'(?m)^  {command} ')
            text = self.succeeds('help', command).decode()
            self.assertTrue(text.startswith(f'shmalloc {command}: '))
            self.assertEqual(text, self.succeeds(command, '--help').decode())
            self.assertEqual(text, self.succeeds(command, '-h').decode())
            self.assertEqual(text, self.succeeds('help', '--json', command).decode())
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
            self.assertIn('Exit codes: 0 done', text)

    def test_each_option_in_the_help_is_known(self):
        for command in COMMANDS:
            for option in options(command):
                # Whatever else is wrong then: it is not the option. Twice, for the first may be taken as its value.
                said = run(command, f'--{option}', '--no-such-option', '--no-such-option').stderr.decode()
                self.assertNotIn(f"unknown option '--{option}'", said)
        self.assertEqual(options('gc'), {'dry-run', 'prefix'})

    def test_version(self):
        self.assertRegex(self.succeeds('--version').decode(), r'^shmalloc \d+\.\d+\.\d+, library \d+\.\d+\.\d+\n$')
        version = self.json('--version')
        self.assertEqual(version['version'], version['library'])

    def test_usage(self):
        for words in ([], ['nonsense'], ['--nonsense'], ['put'], ['put', 'a', 'b'], ['put', '--nonsense', 'a'], ['put', '-z', 'a'],
                      ['put', 'a', '--timeout'], ['put', 'a', '-t', 'soon'], ['put', 'a', '-t', '0'], ['put', 'a', '-t', '-1'],
                      ['put', 'a', '-t', 'inf'], ['put', 'a', '-t', 'nan'], ['put', 'a', '-t', '1x'], ['put', 'a', '--mode=8'], ['put', 'a', '--mode=1777'],
                      ['put', 'a', '--name='], ['put', 'a', '--read-only=yes'], ['put', 'a', '-r', '--shm'], ['put', 'a', '--clients=1'],
                      ['put', '-', '--until-eof'], ['put', 'a', '-d', '--until-eof'], ['get'], ['get', ''], ['get', 'a', 'b'],
                      ['get', 'a', '-s', 'b'], ['get', 'a', '--same-user'], ['ls', 'a'], ['stat'], ['stat', 'a', 'b'], ['rm'], ['rm', ''],
                      ['top', 'a'], ['top', '-n', '0'], ['top', '-n', 'x'],
                      ['top', '-d', '0'], ['rm', '/'], ['gc', 'a'], ['info', 'a'], ['help', 'nonsense'], ['help', 'put', 'get']):
            with self.subTest(words):
                self.assertIn('--help', self.fails(USAGE, *words))

    def test_option_forms(self):
        for words in (['-t', '0.05'], ['-t0.05'], ['--timeout', '0.05'], ['--timeout=0.05'], ['-rt0.05'], ['-t', '100', '-t', '0.05']):
            with self.subTest(words):
                self.assertRegex(self.succeeds('put', *words, self.file(b'x')), rb'^shmalloc1:[\w-]+\n$')
        self.file(b'x', '-t')
        self.assertTrue(self.succeeds('put', '-t', '0.05', '--', '-t', cwd=self.folder))

    def test_info(self):
        described = self.json('info')
        for key in ('version', 'kernel', 'page_size', 'memory', 'shm', 'limits', 'huge_pages', 'segments', 'kinds', 'backends'):
            self.assertIn(key, described)
        segments = described['segments']
        ways = {way['way']: way for way in segments['ways']}
        self.assertTrue(ways[segments['way']]['available'])
        for way in ways.values():
            self.assertEqual(way['available'], not way.get('why'))
        text = self.succeeds('info').decode()
        # A list inside a section is a table of its own, a line a way.
        self.assertRegex(text, rf'(?m)^  pages +{segments["pages"]}$')
        self.assertRegex(text, r'(?m)^  ways\n    way +available +why$')
        for way in ways.values():
            line = f'{way["way"]} +no +{re.escape(way["why"])}' if not way['available'] else f'{way["way"]} +yes'
            self.assertRegex(text, rf'(?m)^    {line}$')
        for key in described:
            self.assertRegex(text, rf'(?m)^{key.replace("_", " ")}\b')
        self.assertRegex(text, r'(?m)^page size +\d+\.\d\d KiB$')
        self.assertRegex(text, r'(?m)^  total +\d+\.\d\d [KMGT]iB$')
        self.assertRegex(self.succeeds('info', '--bytes').decode(), r'(?m)^page size +\d+$')

    def test_full_output(self):
        with open('/dev/full', 'wb') as full:
            for command in ('info', 'ls', '--help'):
                done = subprocess.run([TOOL, command], stdout=full, stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, NO_SPACE)
                self.assertIn(b'No space left', done.stderr)

    def test_closed_outputs(self):
        """What the tool opens must not become its standard output."""
        done = subprocess.run(['sh', '-c', f'exec "{TOOL}" ls >&- 2>&- <&-'], timeout=60)
        self.assertEqual(done.returncode, OK)


class Documents(unittest.TestCase):
    def test_manual_page(self):
        text = (ROOT / 'docs' / 'shmalloc.1').read_text()
        for command in COMMANDS:
            self.assertRegex(text, rf'(?m)^\.It Cm {command}\b')
            for option in options(command):
                self.assertTrue(re.search(rf'(?m)^\.It Fl .*-{option}\b', text), f'{command} --{option}')

    @unittest.skipUnless(shutil.which('mandoc'), 'needs mandoc')
    def test_manual_page_is_clean(self):
        done = subprocess.run(['mandoc', '-Tlint', ROOT / 'docs' / 'shmalloc.1'], capture_output=True, text=True, timeout=60)
        # Whether other manual pages are installed is no matter of ours.
        self.assertEqual([line for line in (done.stdout + done.stderr).splitlines() if 'mandoc.db' not in line], [])

    def test_completions(self):
        fish = (ROOT / 'tools' / 'completion' / 'shmalloc.fish').read_text()
        zsh = (ROOT / 'tools' / 'completion' / '_shmalloc').read_text()
        shared = dict(re.findall(r'local -a (\w+)=\((.*)\)$', zsh, re.M))
        for command in COMMANDS:
            self.assertRegex(zsh, rf"'{command}:")
            self.assertRegex(fish, rf'-a {command} ')
            branch = re.search(rf'^        {command}\)(.*?);;', zsh, re.M | re.S).group(1)
            offered = ''.join([branch] + [text for name, text in shared.items() if f'${name} ' in branch])
            for option in options(command):
                self.assertRegex(offered, rf"['{{,)]--{option}[\[=,}}]", f'{command} --{option}')
                ours = [line for line in fish.splitlines() if re.search(rf"from [^']*\b{command}\b", line)]
                self.assertTrue(any(re.search(rf'-l {option}\b', line) for line in ours), f'{command} --{option}')

    @unittest.skipUnless(shutil.which('bash'), 'needs bash')
    def test_bash_completion(self):
        script = ROOT / 'tools' / 'completion' / 'shmalloc.bash'
        environment = dict(os.environ, PATH=f'{Path(TOOL).parent}:{os.environ["PATH"]}')

        def complete(*words):
            ask = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shmalloc; printf "%s\\n" "${COMPREPLY[@]}"'
            done = subprocess.run(['bash', '-c', ask, 'bash', script, *words], env=environment, capture_output=True, text=True, timeout=60)
            return set(done.stdout.split())

        self.assertEqual(complete('shmalloc', ''), {*COMMANDS, 'help'})
        for command in COMMANDS:
            self.assertEqual(complete('shmalloc', command, '--'), {f'--{option}' for option in options(command) | COMMON})
        self.assertEqual(complete('shmalloc', '--json', 'gc', '--dr'), {'--dry-run'})
        self.assertEqual(complete('shmalloc', 'put', str(script)[:-2]), {str(script)})
        self.assertEqual(complete('shmalloc', 'put', '--socket', '=', str(script)[:-2]), {str(script)})
        self.assertEqual(complete('shmalloc', 'put', '--socket', '='), complete('shmalloc', 'put', '--socket', ''))

    def test_other_shells_read_theirs(self):
        for shell, flag, name in (('zsh', '-n', '_shmalloc'), ('fish', '--no-execute', 'shmalloc.fish')):
            with self.subTest(shell):
                if not shutil.which(shell):
                    self.skipTest(f'needs {shell}')
                subprocess.run([shell, flag, ROOT / 'tools' / 'completion' / name], check=True, timeout=60)
