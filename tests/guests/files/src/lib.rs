//! Serves the promises about files that are bounded: everything that takes room, everything that gives it back, and every
//! way of doing that which might not be counted. Through the C library, and so WASI 0.2.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};

use exports::test::files::files::Guest;

wit_bindgen::generate!({ path: "wit" });

thread_local! {
    /// Files that stay open.
    static HELD: RefCell<Vec<File>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" {
    fn pwrite(file: RawFd, bytes: *const u8, length: usize, offset: i64) -> isize;
    fn symlink(target: *const c_char, path: *const c_char) -> c_int;
}

struct Files;

impl Guest for Files {
    fn build() -> Result<(), String> {
        let script = std::env::var("BUILD").unwrap_or_default();
        script.lines().try_for_each(|line| step(line).map(|_| ()))
    }

    fn enter(_: String) {}

    fn exit() {
        if std::env::var("EXIT").is_ok_and(|exit| exit == "trap") {
            std::process::abort();
        }
    }

    fn perform(steps: Vec<String>) -> Result<Vec<String>, String> {
        steps.iter().map(|line| step(line)).collect()
    }
}

export!(Files);

fn step(line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // The number of the system's error, which has one name in every language.
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(code) => format!("`{line}`: errno {code}"),
        None => format!("`{line}`: {error}"),
    };
    match words[..] {
        ["write", path, bytes] => {
            write(OpenOptions::new().write(true).create(true).truncate(true), path, None, number(bytes)?)
        }
        ["append", path, bytes] => write(OpenOptions::new().append(true).create(true), path, None, number(bytes)?),
        ["at", path, offset, bytes] => {
            write(OpenOptions::new().write(true).create(true), path, Some(number(offset)?), number(bytes)?)
        }
        ["set-size", path, bytes] => {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            file.and_then(|file| file.set_len(number(bytes).unwrap_or_default())).map(|()| String::new())
        }
        ["write-at-once", path, offset, bytes] => write_at_once(path, number(offset)?, number(bytes)?),
        ["many", directory, files] => (0..number(files)?)
            .try_for_each(|name| File::create(format!("{directory}/{name}")).map(|_| ()))
            .map(|()| String::new()),
        ["hold", path] => File::open(path).map(|file| {
            HELD.with_borrow_mut(|held| held.push(file));
            String::new()
        }),
        ["release"] => {
            HELD.with_borrow_mut(Vec::clear);
            Ok(String::new())
        }
        ["held"] => HELD.with_borrow(|held| {
            let mut text = Vec::new();
            held.iter().try_for_each(|mut file| file.read_to_end(&mut text).map(|_| ()))?;
            Ok(text.len().to_string())
        }),
        ["read", path] => fs::read(path).map(|bytes| bytes.len().to_string()),
        ["list", path] => fs::read_dir(path).map(|entries| {
            let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
            let mut names: Vec<String> = names.collect();
            names.sort();
            names.join(" ")
        }),
        ["is-directory", path] => fs::metadata(path).map(|metadata| metadata.is_dir().to_string()),
        ["make-directory", path] => fs::create_dir(path).map(|()| String::new()),
        ["remove-directory", path] => fs::remove_dir(path).map(|()| String::new()),
        ["unlink", path] => fs::remove_file(path).map(|()| String::new()),
        ["link", path, new] => fs::hard_link(path, new).map(|()| String::new()),
        ["symlink", target, path] => soft_link(target, path).map(|()| String::new()),
        ["rename", path, new] => fs::rename(path, new).map(|()| String::new()),
        ["print", text] => {
            println!("{text}");
            Ok(String::new())
        }
        ["trap"] => std::process::abort(),
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        _ => return Err(format!("`{line}` is no step")),
    }
    .map_err(failed)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn write(options: &OpenOptions, path: &str, offset: Option<u64>, bytes: u64) -> io::Result<String> {
    let mut file = options.open(path)?;
    if let Some(offset) = offset {
        file.seek(SeekFrom::Start(offset))?;
    }
    io::copy(&mut io::repeat(b'w').take(bytes), &mut file)?;
    file.flush()?;
    Ok(String::new())
}

/// Writes at a place without going there first, by one function and no stream.
fn write_at_once(path: &str, offset: u64, bytes: u64) -> io::Result<String> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let bytes = vec![b'w'; usize::try_from(bytes).map_err(io::Error::other)?];
    // SAFETY: the file is open, and the buffer as long as it is said to be.
    let written = unsafe { pwrite(file.as_raw_fd(), bytes.as_ptr(), bytes.len(), offset.cast_signed()) };
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(written.to_string()) }
}

fn soft_link(target: &str, path: &str) -> io::Result<()> {
    let (target, path) = (CString::new(target)?, CString::new(path)?);
    // SAFETY: both are texts that end with a zero, and live until it returns.
    match unsafe { symlink(target.as_ptr(), path.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
