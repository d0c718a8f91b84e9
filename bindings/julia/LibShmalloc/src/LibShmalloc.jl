"""
The C interface of shmalloc as it is: every function, struct and constant by its own name. Nothing here is safe; use Shmalloc.

The library is `$libshmalloc`, found as the system finds libraries. The environment variable SHMALLOC_LIBRARY can name another file.
"""
module LibShmalloc

using Libdl

const libshmalloc = "libshmalloc.so.0.1"

include("raw.jl")

"Load the library, and see that it is the one that the calls below will reach."
function load()
    wanted = get(ENV, "SHMALLOC_LIBRARY", "")
    named = !isempty(wanted)
    # ccall asks for the library by its soname, and gets what is loaded under that already.
    handle = try
        dlopen(named ? wanted : libshmalloc, RTLD_LAZY | RTLD_GLOBAL)
    catch problem
        hint = named ? "SHMALLOC_LIBRARY says $wanted" : "install shmalloc, or let LD_LIBRARY_PATH or SHMALLOC_LIBRARY say where it is"
        error("$libshmalloc can't be loaded: $hint\n", sprint(showerror, problem))
    end
    if named && dlopen(libshmalloc, RTLD_LAZY; throw_error=false) != handle
        error("SHMALLOC_LIBRARY says $wanted, which is no $libshmalloc")
    end
    return handle
end

"Is this the interface that raw.jl describes? Before 1.0 each minor version may break it."
function compatible(version)
    major, minor = version ÷ 1_000_000, version ÷ 1_000 % 1_000
    same = major == SHMALLOC_VERSION_MAJOR && (major > 0 || minor == SHMALLOC_VERSION_MINOR)
    return same && version >= SHMALLOC_VERSION
end

function __init__()
    load()
    compatible(shmalloc_version()) ||
        error("LibShmalloc is made for shmalloc $SHMALLOC_VERSION_MAJOR.$SHMALLOC_VERSION_MINOR.$SHMALLOC_VERSION_PATCH, ",
              "and the library is $(unsafe_string(shmalloc_version_string()))")
end

end
