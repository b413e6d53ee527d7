//! wasmhost
