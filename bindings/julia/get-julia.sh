#!/bin/bash
# get-julia.sh PREFIX: a Julia of version 1.5 or later as PREFIX/julia. Nothing is installed and nothing on the system changes.
# A julia of PATH is used if there is one. Else it is Julia 1.5.3 of Debian 11, for Debian 12 has none: its packages, and those of the libraries
# that it was built against, are unpacked into the prefix. (Installed on Debian 12 it crashes at every exception, because of another libunwind.)
# That takes 53 MB from the archive and 380 MB of disk. Exit status 3: the archive has it no longer, or can't be reached.
set -euo pipefail

PACKAGES=(julia julia-common libjulia1 libcurl3-gnutls libdsfmt-19937-1 libffi7 libgit2-1.1 libgmp10 libhttp-parser2.9 libllvm9 libmbedcrypto3
          libmbedtls12 libmbedx509-0 libmpfr6 libopenlibm3 libpcre2-8-0 libssh2-1 libunwind8 libutf8proc2)

runs() {
    "$1" --startup-file=no -e 'exit(VERSION >= v"1.5" ? 0 : 1)' 2>/dev/null
}

gone() {
    echo "get-julia.sh: $1. Julia 1.5 or later from elsewhere does as well: put it into PATH." >&2
    exit 3
}

# apt-get with a state of its own: one source, nothing installed, everything below $work.
apt() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Debug::NoLocking=1 "$@"
}

unpack() {
    work=$(mktemp -d "$prefix/unpacking.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{lists,cache/archives}/partial "$work/debs"
    : > "$work/status"
    # Debian 11 from the mirror that this system uses already.
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 '/debian/$' || true)
    [ -n "$mirror" ] || gone 'this system has no Debian archive configured'
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" > "$work/sources.list"
    apt update || gone "$mirror has no Debian 11 (bullseye)"
    (cd "$work/debs" && apt download "${PACKAGES[@]}") || gone "$mirror has not all of Julia 1.5.3 any more"
    local package
    for package in "$work"/debs/*.deb; do
        dpkg-deb -x "$package" "$prefix"
    done
}

# Its own libraries come before the system's, and what the caller wants found after them.
write_wrapper() {
    cat > "$prefix/julia.new" <<WRAPPER
#!/bin/sh
libraries=$prefix/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH="\$libraries:\$libraries/julia\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export JULIA_DEPOT_PATH="\${JULIA_DEPOT_PATH:-$prefix/depot}"
exec $prefix/usr/bin/julia --startup-file=no "\$@"
WRAPPER
    chmod +x "$prefix/julia.new"
    mv "$prefix/julia.new" "$prefix/julia"
}

prefix=$(realpath -m "${1:?usage: get-julia.sh PREFIX}")
if runs "$prefix/julia"; then
    exit 0
fi
mkdir -p "$prefix"
if found=$(command -v julia) && runs "$found"; then
    ln -sf "$(realpath "$found")" "$prefix/julia"
else
    unpack
    write_wrapper
fi
runs "$prefix/julia" || { echo "get-julia.sh: what is in $prefix now does not run" >&2; exit 1; }
"$prefix/julia" --version
