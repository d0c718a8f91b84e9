"""docs/gpu-assumptions.md has each rule of the contract test once, and no other. Arguments: the contract test, the page."""
import collections
import pathlib
import re
import subprocess
import sys

program, page = sys.argv[1:]
rules = subprocess.run([program, '--list'], check=True, capture_output=True, text=True).stdout.split()
listed = collections.Counter(re.findall(r'^\| `(\w+)` \|', pathlib.Path(page).read_text(), re.M))
wrong = [f'{rule} is missing' for rule in rules if rule not in listed]
wrong += [f'{name} is no rule' for name in listed if name not in rules]
wrong += [f'{name} is there {count} times' for name, count in listed.items() if count > 1]
wrong += [f'{rule} is two rules' for rule, count in collections.Counter(rules).items() if count > 1]
if len(rules) < 10:
    wrong.append(f'only {len(rules)} rules: this check looks at nothing')
print(*wrong or [f'{len(rules)} rules, all listed'], sep='\n')
sys.exit(bool(wrong))
