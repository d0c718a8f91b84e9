"""abi/constants.json, asked the questions that every raw layer has."""
import re

INTEGERS = [f'{sign}int{bits}_t' for sign in ('', 'u') for bits in (8, 16, 32, 64)] + ['size_t', 'char']


class Contract:
    """Functions, structs and constants in a fixed order."""

    def __init__(self, data):
        self.data = data
        self.version = data['version']
        self.enums, self.structs, self.functions = data['enums'], data['structs'], data['functions']
        self.callbacks, self.handles, self.scalars = data['callbacks'], data['handles'], data['scalars']

    def value(self, name):
        """A constant, as the header has it: never negative for what C calls unsigned."""
        value = self.data['values'][name]
        return value % (1 << 64) if name in ('SHMALLOC_SIZE_ALL', 'SHMALLOC_STREAM_OWN') else value

    def is_flags(self, enum):
        """Enums whose values are bits to be joined."""
        return enum.endswith('_flags')

    def plain_constants(self):
        """(name, value) of those that belong to no enum."""
        named = {value for values in self.enums.values() for value in values}
        return [(name, self.value(name)) for name in sorted(self.data['values']) if re.fullmatch(r'\w+', name) and name not in named]

    def layout(self):
        """(struct, size, [(field, offset)]) of every struct."""
        values = self.data['values']
        for name, struct in sorted(self.structs.items()):
            fields = [(field['name'], values[f'offsetof({name},{field["name"]})']) for field in struct['fields']]
            yield name, values[f'sizeof({name})'], fields

    def where(self, name):
        """One line on a function: header, threading, what it may do."""
        function = self.functions[name]
        call = function['call'] + (' +cb' if function['callbacks'] else '')
        return f'{function["header"]}. Threading: {function["threading"]}. Call: {call}. Since: {function["since"]}'

    def foreign(self):
        """Structs of other people's headers that ours name."""
        types = {item['type'] for function in self.functions.values() for item in function['parameters']}
        return sorted({match.group(1) for c_type in types for match in re.finditer(r'\bstruct (\w+)', c_type)})

    @staticmethod
    def pointed(c_type):
        """(what a pointer type points to, whether that is const), or None. `T * const *` is read as a pointer to constant T *."""
        if not c_type.endswith('*'):
            return None
        inner = c_type[:-1].strip()
        if inner.endswith('* const'):
            return inner[:-len(' const')], True
        const = inner.startswith('const ') and not inner.endswith('*')
        return re.sub(r'^(const )?(struct )?' if const else r'^(struct )?(?=.*\w$)', '', inner), const
