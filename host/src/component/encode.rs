//! From the bytes of a file to those of a component: a core module that carries its WIT is made one.

use std::path::Path;

use wasmparser::{BinaryReader, Encoding, Parser, Payload};

use crate::error::{Error, ErrorKind, Result};

/// Makes sure that a file's bytes are a component.
///
/// # Errors
///
/// `bad-request`, saying what the file is and how to make a component of its source.
pub(crate) fn component(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>> {
    let refuse = |message: &str| Err(refusal(path, message));
    match describe(&bytes) {
        What::Component => Ok(bytes),
        What::ModuleWithWit { is_command } => from_module(&bytes, is_command).map_err(|error| {
            Error::bad_request(format!("`{}` is a core module whose WIT does not fit it: {error}", path.display()))
        }),
        What::Module => refuse(
            "is a core module without WIT, so that nothing says what its functions take: build it as a component \
             (in Rust with `--target wasm32-wasip2`)",
        ),
        What::Other(message) => refuse(message),
    }
}

/// Refuses what is no WebAssembly by its outline alone. No byte of a section is looked at: whoever serves others at the same
/// time can do this to anything.
///
/// # Errors
///
/// As [`component`].
pub(crate) fn check_outline(bytes: &[u8], path: &Path) -> Result<()> {
    if let Some(other) = describe_other(bytes) {
        return Err(refusal(path, other));
    }
    let sections = bytes.get(HEADER_BYTES..).ok_or_else(|| refusal(path, "ends before it has begun"))?;
    let mut reader = BinaryReader::new(sections, HEADER_BYTES);
    while !reader.eof() {
        let at = reader.original_position();
        let wrong = |what: &str| {
            refusal(path, &format!("is no component this host can run: the section that begins at byte {at} {what}"))
        };
        let kind = reader.read_u8().map_err(|_| wrong("has no kind"))?;
        if kind > LAST_SECTION {
            return Err(wrong(&format!("is of the kind {kind}, which nothing has")));
        }
        let length = reader.read_var_u32().map_err(|_| wrong("has no length"))?;
        reader.read_bytes(length as usize).map_err(|_| wrong("is longer than the file"))?;
    }
    Ok(())
}

/// The magic number, the version and the layer.
const HEADER_BYTES: usize = 8;

/// The highest number of a section's kind, in modules and components.
const LAST_SECTION: u8 = 13;

fn refusal(path: &Path, message: &str) -> Error {
    Error::new(ErrorKind::BadRequest, format!("`{}` {message}", path.display()))
}

enum What {
    Component,
    ModuleWithWit {
        is_command: bool,
    },
    Module,
    /// What is no WebAssembly, with what to say of it.
    Other(&'static str),
}

fn describe_other(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\0asm") {
        return None;
    }
    let text = bytes.trim_ascii_start();
    Some(if bytes.starts_with(b"\x7fELF") {
        "is compiled machine code: give the component it was compiled from"
    } else if text.starts_with(b"(") || text.starts_with(b";;") {
        "is WebAssembly text: turn it into a binary first, for example with `wasm-tools parse`"
    } else {
        "is not WebAssembly: a component begins with the bytes `\\0asm`"
    })
}

fn describe(bytes: &[u8]) -> What {
    if let Some(other) = describe_other(bytes) {
        return What::Other(other);
    }
    let (mut has_wit, mut is_command) = (false, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { encoding: Encoding::Component, .. }) => return What::Component,
            Ok(Payload::CustomSection(section)) => has_wit |= section.name().starts_with("component-type"),
            Ok(Payload::ExportSection(exports)) => {
                is_command |= exports.into_iter().flatten().any(|export| export.name == "_start");
            }
            // Whatever is wrong with it is told better by who parses it in earnest.
            Err(_) => break,
            Ok(_) => {}
        }
    }
    if has_wit { What::ModuleWithWit { is_command } } else { What::Module }
}

fn from_module(module: &[u8], is_command: bool) -> Result<Vec<u8>, String> {
    use wasi_preview1_component_adapter_provider as adapters;
    let adapter = if is_command {
        adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        component(bytes.to_vec(), Path::new("guest.wasm")).unwrap_err().to_string()
    }

    #[test]
    fn each_kind_of_wrong_file_is_told_what_it_is() {
        assert!(refused(&wasm_encoder::Module::new().finish()).contains("--target wasm32-wasip2"));
        assert!(refused(b"(module)").contains("WebAssembly text"));
        assert!(refused(b"\x7fELF....").contains("compiled machine code"));
        assert!(refused(b"#!/bin/sh").contains("not WebAssembly"));
        assert!(refused(b"").contains("not WebAssembly"));
    }

    #[test]
    fn an_outline_is_sections_that_fill_the_file() {
        let check = |bytes: &[u8]| check_outline(bytes, Path::new("guest.wasm")).map_err(|error| error.to_string());
        let mut component = wasm_encoder::ComponentBuilder::default();
        component.core_module_raw(None, &wasm_encoder::Module::new().finish());
        let component = component.finish();
        for good in [&component[..], &component[..8], &wasm_encoder::Module::new().finish()] {
            check(good).unwrap();
        }
        let with = |rest: &[u8]| [&component[..], rest].concat();
        for (bad, says) in [
            (component[..component.len() - 1].to_vec(), "the section that begins at byte 8 is longer than the file"),
            (with(&[14, 0]), "of the kind 14"),
            (with(&[1]), "has no length"),
            (with(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0]), "has no length"),
            (with(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]), "is longer than the file"),
            (b"\0asm".to_vec(), "ends before it has begun"),
            (b"(component)".to_vec(), "WebAssembly text"),
        ] {
            let error = check(&bad).unwrap_err();
            assert!(error.starts_with("`guest.wasm` ") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_component_is_left_as_it_is() {
        let bytes = wasm_encoder::ComponentBuilder::default().finish();
        assert_eq!(component(bytes.clone(), Path::new("guest.wasm")).unwrap(), bytes);
    }
}
