"""Julia: LibShmalloc. Syntax of Julia 1.5."""
import textwrap

SCALARS = {'size_t': 'Csize_t', 'char': 'Cchar', 'void': 'Cvoid', 'int8_t': 'Int8', 'uint8_t': 'UInt8', 'int16_t': 'Int16',
           'uint16_t': 'UInt16', 'int32_t': 'Int32', 'uint32_t': 'UInt32', 'int64_t': 'Int64', 'uint64_t': 'UInt64'}
SIGNED = {'SHMALLOC_TIME_DEFAULT', 'SHMALLOC_TIME_FOREVER', 'SHMALLOC_TIME_NONE'}
HEAD = '# Made by abi/make_raw.py of the C headers; ./dev abi-update makes it anew.\n\n'


def type_of(contract, c_type):
    """A C type in Julia."""
    pointed = contract.pointed(c_type)
    if pointed:
        return 'Cstring' if c_type == 'const char *' else f'Ptr{{{type_of(contract, pointed[0])}}}'
    if c_type in contract.callbacks:
        return 'Ptr{Cvoid}'
    return SCALARS.get(c_type, c_type)


def enum(contract, name):
    integer = 'UInt32' if contract.is_flags(name) else 'Int32'
    return '\n'.join([f'const {name} = {integer}'] + [f'const {value} = {integer}({contract.value(value)})'
                                                     for value in contract.enums[name]])


def constant(contract, name, value):
    if name in SIGNED:
        return f'const {name} = Int64({value})'
    return f'const {name} = UInt64({value})' if value >= 1 << 63 else f'const {name} = {value}'


def field_type(contract, field):
    julia = type_of(contract, field['type']) if field['type'] != 'const char *' else 'Ptr{Cchar}'
    return f'NTuple{{{field["length"]},{julia}}}' if 'length' in field else julia


def struct(contract, name):
    fields = [f'    {field["name"]}::{field_type(contract, field)}' for field in contract.structs[name]['fields']]
    return f'struct {name}\n' + '\n'.join(fields) + '\nend'


def function(contract, name):
    entry = contract.functions[name]
    names = ', '.join(item['name'] for item in entry['parameters'])
    types = ''.join(f'{type_of(contract, item["type"])}, ' for item in entry['parameters']).rstrip()
    if len(entry['parameters']) > 1:
        types = types.rstrip(',')
    result = type_of(contract, entry['returns'])
    call = f'ccall((:{name}, libshmalloc), {result}, ({types})' + (f', {names}' if names else '') + ')'
    return f'"{contract.where(name)}"\n{name}({names}) = {call}'


def listed(names):
    """Symbols, as many in a line as there is room for."""
    return '\n'.join(textwrap.wrap(' '.join(f':{name},' for name in names), 120, initial_indent='    ', subsequent_indent='    ')).rstrip(',')


def raw(contract):
    parts = [HEAD.rstrip()]
    parts += [f'"Only ever pointed to."\nmutable struct {name} end' for name in [*contract.handles, *contract.foreign()]]
    parts.append('\n'.join(f'const {name} = {SCALARS[c_type]}' for name, c_type in sorted(contract.scalars.items())))
    parts.append('\n'.join(constant(contract, name, value) for name, value in contract.plain_constants()))
    parts.append('\n'.join(enum(contract, name) for name in sorted(contract.enums)))
    done, waiting = [], sorted(contract.structs)
    while waiting:  # a struct stands behind those that it has inside
        for name in list(waiting):
            inside = {field['type'] for field in contract.structs[name]['fields']} & set(waiting) - {name}
            if not inside:
                done.append(name)
                waiting.remove(name)
    parts += [struct(contract, name) for name in done]
    parts.append('\n'.join(function(contract, name) for name in sorted(contract.functions)))
    parts.append('"Every function of the library."\nconst FUNCTIONS = Symbol[\n' + listed(sorted(contract.functions)) + '\n]')
    values = [value for name in sorted(contract.enums) for value in contract.enums[name]] + [name for name, _ in contract.plain_constants()]
    parts.append('"Every constant, by the name that shmalloc_abi_lookup knows."\n'
                 'const CONSTANTS = Pair{String,Any}[string(name) => getfield(@__MODULE__, name) for name in Symbol[\n' + listed(values) + '\n]]')
    parts.append('"Every struct."\nconst STRUCTS = DataType[\n' + listed(done).replace(':', '') + '\n]')
    return '\n\n'.join(parts) + '\n'


def files(contract):
    return {'bindings/julia/LibShmalloc/src/raw.jl': raw(contract)}
