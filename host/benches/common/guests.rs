//! Where the guests of benches are.

use std::path::{Path, PathBuf};

/// A guest of `tests/guests`, which is built before benches run.
pub(crate) fn guest(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/target/wasm32-wasip2/release");
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.is_file(), "`{}` is not built: `cargo xtask bench` and `test` build the guests first", file.display());
    file
}

#[allow(dead_code, reason = "not every bench runs examples")]
/// An example's folder, if its component is built: those in other languages need tools of their own. Says so if not.
pub(crate) fn example(name: &str) -> Option<PathBuf> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folder = examples.join(name);
    let component = match name {
        "primes" => examples.join("target/wasm32-wasip2/release/primes.wasm"),
        _ => folder.join("primes.wasm"),
    };
    if component.is_file() {
        return Some(folder);
    }
    println!("NOT RUN: {name}: `{}` is not built; `cargo xtask test` builds it", component.display());
    None
}
