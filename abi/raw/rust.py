"""Rust: shmalloc-sys. No dependencies, Rust 1.63."""
SCALARS = {'size_t': 'usize', 'char': 'c_char', 'void': 'c_void', 'int8_t': 'i8', 'uint8_t': 'u8', 'int16_t': 'i16', 'uint16_t': 'u16',
           'int32_t': 'i32', 'uint32_t': 'u32', 'int64_t': 'i64', 'uint64_t': 'u64'}
TYPES_OF_CONSTANTS = {'SHMALLOC_HANDLE_MAX': 'usize', 'SHMALLOC_HANDLE_TEXT_MAX': 'usize', 'SHMALLOC_MESSAGE_MAX': 'usize',
                      'SHMALLOC_SIZE_ALL': 'usize', 'SHMALLOC_DEVICE_HOST': 'shmalloc_device',
                      'SHMALLOC_STREAM_DEFAULT': 'shmalloc_stream', 'SHMALLOC_STREAM_OWN': 'shmalloc_stream',
                      'SHMALLOC_TIME_DEFAULT': 'i64', 'SHMALLOC_TIME_FOREVER': 'i64',
                      'SHMALLOC_TIME_NONE': 'i64'}
HEAD = '// Made by abi/make_raw.py of the C headers; ./dev abi-update makes it anew.\n\n'
KEYWORDS = {'fn', 'type', 'ref', 'move', 'match', 'in', 'use'}


def type_of(contract, c_type):
    """A C type in Rust."""
    pointed = contract.pointed(c_type)
    if pointed:
        target, const = pointed
        return f'*{"const" if const else "mut"} {type_of(contract, target)}'
    return SCALARS.get(c_type, c_type)


def parameters(contract, items):
    return ', '.join(f'{name_of(item["name"])}: {type_of(contract, item["type"])}' for item in items)


def name_of(name):
    return f'{name}_' if name in KEYWORDS else name


def result(contract, c_type):
    return '' if c_type == 'void' else f' -> {type_of(contract, c_type)}'


def enum(contract, name):
    integer = 'u32' if contract.is_flags(name) else 'i32'
    lines = [f'pub type {name} = {integer};']
    lines += [f'pub const {value}: {name} = {contract.value(value)};' for value in contract.enums[name]]
    return '\n'.join(lines)


def struct(contract, name):
    fields = []
    for field in contract.structs[name]['fields']:
        rust = type_of(contract, field['type'])
        if 'length' in field:
            rust = f'[{rust}; {field["length"]}]'
        fields.append(f'    pub {name_of(field["name"])}: {rust},')
    sized = contract.structs[name]['fields'][0]['name'] == 'struct_size'
    made = 'let mut value: Self = unsafe { mem::zeroed() };\n        value.struct_size = mem::size_of::<Self>();\n        value'
    what = 'All zero, which is every field\'s default, and struct_size set.' if sized else 'All zero.'
    body = made if sized else 'unsafe { mem::zeroed() }'
    return (f'#[repr(C)]\n#[derive(Clone, Copy, Debug)]\npub struct {name} {{\n' + '\n'.join(fields) + '\n}\n\n'
            f'impl Default for {name} {{\n    /// {what}\n    fn default() -> Self {{\n        {body}\n    }}\n}}')


def function(contract, name):
    entry = contract.functions[name]
    return (f'    /// {contract.where(name)}\n'
            f'    pub fn {name}({parameters(contract, entry["parameters"])}){result(contract, entry["returns"])};')


def raw(contract):
    parts = [f'{HEAD}use std::mem;\nuse std::os::raw::{{c_char, c_void}};\n']
    parts += [f'/// Only ever pointed to.\n#[repr(C)]\npub struct {name} {{\n    _opaque: [u8; 0],\n    '
              '_not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,\n}' for name in [*contract.handles, *contract.foreign()]]
    parts += [f'pub type {name} = {SCALARS[c_type]};' for name, c_type in sorted(contract.scalars.items())]
    parts += [f'pub const {name}: {TYPES_OF_CONSTANTS.get(name, "u32")} = {value};' for name, value in contract.plain_constants()]
    parts += [enum(contract, name) for name in sorted(contract.enums)]
    parts += [f'pub type {name} = Option<unsafe extern "C" fn({parameters(contract, entry["parameters"])}){result(contract, entry["returns"])}>;'
              for name, entry in sorted(contract.callbacks.items())]
    parts += [struct(contract, name) for name in sorted(contract.structs)]
    parts.append('extern "C" {\n' + '\n'.join(function(contract, name) for name in sorted(contract.functions)) + '\n}')
    return '\n\n'.join(parts) + '\n'


def layout(contract):
    lines = []
    for name, _, fields in contract.layout():
        lines.append(f'        ("sizeof({name})", std::mem::size_of::<{name}>() as i64),')
        lines += [f'        ("offsetof({name},{field})", offset_of!({name}, {name_of(field)})),' for field, _ in fields]
    for name in sorted(contract.enums):
        lines += [f'        ("{value}", {value} as i64),' for value in contract.enums[name]]
    lines += [f'        ("{name}", {name} as i64),' for name, _ in contract.plain_constants()]
    functions = [f'        {name} as *const c_void,' for name in sorted(contract.functions)]
    return (HEAD + '// Included by layout.rs.\n\n/// (what shmalloc_abi_lookup is asked, what this crate has).\n'
            '#[rustfmt::skip]\n#[allow(clippy::unnecessary_cast)]\npub fn table() -> Vec<(&\'static str, i64)> {\n    vec![\n' + '\n'.join(lines) + '\n    ]\n}\n\n'
            '/// Every function: links only if the library has it.\n#[rustfmt::skip]\npub fn functions() -> Vec<*const c_void> {\n'
            '    vec![\n' + '\n'.join(functions) + '\n    ]\n}\n')


def files(contract):
    sys_crate = 'bindings/rust/shmalloc-sys'
    return {f'{sys_crate}/src/raw.rs': raw(contract), f'{sys_crate}/tests/layout/table.rs': layout(contract)}
