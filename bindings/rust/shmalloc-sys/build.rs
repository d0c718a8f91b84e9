//! Finds the library: in the folder that SHMALLOC_LIB_DIR names, else where pkg-config says.
use std::env;
use std::process::{self, Command};

/// Oldest library that has all that raw.rs declares.
const WANTED: &str = "shmalloc >= 0.1";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for name in ["SHMALLOC_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    if env::var_os("DOCS_RS").is_some() {
        return; // documentation is made without the library
    }
    if let Ok(folder) = env::var("SHMALLOC_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-lib=dylib=shmalloc");
        return;
    }
    match ask_pkg_config() {
        Ok(flags) => flags.split_whitespace().for_each(link),
        Err(why) => {
            eprintln!(
                "error: the library shmalloc was not found: {why}\n\
                 Install it (meson setup build --prefix=.. && ninja -C build install) and let PKG_CONFIG_PATH name the\n\
                 folder of its shmalloc.pc, or let SHMALLOC_LIB_DIR name the folder of libshmalloc.so."
            );
            process::exit(1);
        }
    }
}

fn ask_pkg_config() -> Result<String, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let answer = Command::new(&program)
        .args(["--libs", "--print-errors", WANTED])
        .output()
        .map_err(|error| format!("{program} can not be run ({error})"))?;
    if answer.status.success() {
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    } else {
        Err(format!("{program} says: {}", String::from_utf8_lossy(&answer.stderr).trim()))
    }
}

/// One flag of the linker, as cargo takes it.
fn link(flag: &str) {
    if let Some(folder) = flag.strip_prefix("-L") {
        println!("cargo:rustc-link-search=native={folder}");
    } else if let Some(name) = flag.strip_prefix("-l") {
        println!("cargo:rustc-link-lib=dylib={name}");
    } else {
        println!("cargo:rustc-link-arg={flag}");
    }
}
