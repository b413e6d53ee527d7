//! Components of a megabyte that differ, each an app of its own, and all prepared.

use std::path::PathBuf;

use tempfile::TempDir;

use super::Result;
use super::guests::guest;
use super::server::Server;

/// Bytes of each component.
const COMPONENT_BYTES: usize = 1 << 20;

/// A folder with a cache, and apps beside it.
pub(super) struct Prepared {
    pub(super) dir: TempDir,
}

impl Prepared {
    pub(super) fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// The folder of an app, by its number.
    pub(super) fn app(&self, number: usize) -> PathBuf {
        self.dir.path().join(app_name(number))
    }
}

pub(super) fn app_name(number: usize) -> String {
    format!("app-{number}")
}

/// Writes this many apps, and prepares them.
pub(super) fn prepare(count: usize) -> Result<Prepared> {
    let prepared = Prepared { dir: tempfile::tempdir()? };
    let component = std::fs::read(guest("table"))?;
    for number in 0..count {
        let folder = prepared.app(number);
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("table.wasm"), filled_up(component.clone(), number as u64)?)?;
        let manifest = "version = 1\n[component.table]\nsource = \"table.wasm\"\n[class.table]\nenv = { NUMBERS = \"1000\" }\n\
                        [class.table.method.is-prime]\nweb = \"GET /{number}\"\n";
        std::fs::write(folder.join("wasmhost.toml"), manifest)?;
    }
    // A file that was written just now is read again by the next one: after the second time all are known.
    for _ in 0..2 {
        Server::start(&prepared, count, None)?.end()?;
    }
    Ok(prepared)
}

/// Appends a custom section of bytes that look random.
fn filled_up(mut component: Vec<u8>, seed: u64) -> Result<Vec<u8>> {
    const NAME: &[u8] = b"filler";
    let mut noise = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let missing = COMPONENT_BYTES.checked_sub(component.len()).ok_or("the guest is larger than a megabyte")?;
    let mut filler = vec![0; missing];
    noise.fill(&mut filler);
    // The number of a custom section; its length in LEB128; its name, with a length that is one byte.
    component.push(0);
    let mut length = 1 + NAME.len() + filler.len();
    while length >= 0x80 {
        component.push(u8::try_from(length & 0x7f)? | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length)?);
    component.push(u8::try_from(NAME.len())?);
    component.extend(NAME);
    component.extend(filler);
    Ok(component)
}
