//! From the bytes of a file to those of a component: a core module that carries its WIT is made one.

use std::path::Path;

use wasmparser::{Encoding, Parser, Payload};

use crate::error::{Error, ErrorKind, Result};

/// Makes sure that a file's bytes are a component.
///
/// # Errors
///
/// `bad-request`, saying what the file is and how to make a component of its source.
pub(crate) fn component(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>> {
    let what = describe(&bytes);
    let refuse = |message: &str| Err(Error::new(ErrorKind::BadRequest, format!("`{}` {message}", path.display())));
    match what {
        What::Component => Ok(bytes),
        What::ModuleWithWit { is_command } => from_module(&bytes, is_command).map_err(|error| {
            Error::bad_request(format!("`{}` is a core module whose WIT does not fit it: {error}", path.display()))
        }),
        What::Module => refuse(
            "is a core module without WIT, so that nothing says what its functions take: build it as a component \
             (in Rust with `--target wasm32-wasip2`)",
        ),
        What::CompiledCode => refuse("is compiled machine code: give the component it was compiled from"),
        What::Text => refuse("is WebAssembly text: turn it into a binary first, for example with `wasm-tools parse`"),
        What::Unknown => refuse("is not WebAssembly: a component begins with the bytes `\\0asm`"),
    }
}

enum What {
    Component,
    ModuleWithWit { is_command: bool },
    Module,
    CompiledCode,
    Text,
    Unknown,
}

fn describe(bytes: &[u8]) -> What {
    if bytes.starts_with(b"\x7fELF") {
        return What::CompiledCode;
    }
    if !bytes.starts_with(b"\0asm") {
        let text = bytes.trim_ascii_start();
        return if text.starts_with(b"(") || text.starts_with(b";;") { What::Text } else { What::Unknown };
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

    fn refusal(bytes: &[u8]) -> String {
        component(bytes.to_vec(), Path::new("guest.wasm")).unwrap_err().to_string()
    }

    #[test]
    fn each_kind_of_wrong_file_is_told_what_it_is() {
        assert!(refusal(&wasm_encoder::Module::new().finish()).contains("--target wasm32-wasip2"));
        assert!(refusal(b"(module)").contains("WebAssembly text"));
        assert!(refusal(b"\x7fELF....").contains("compiled machine code"));
        assert!(refusal(b"#!/bin/sh").contains("not WebAssembly"));
        assert!(refusal(b"").contains("not WebAssembly"));
    }

    #[test]
    fn a_component_is_left_as_it_is() {
        let bytes = wasm_encoder::ComponentBuilder::default().finish();
        assert_eq!(component(bytes.clone(), Path::new("guest.wasm")).unwrap(), bytes);
    }
}
