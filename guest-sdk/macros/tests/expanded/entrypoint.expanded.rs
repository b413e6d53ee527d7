/// Adds.
async fn main(foo: i64, bar: String) -> Result<String> {
    Ok(format!("{foo} {bar}"))
}
#[doc(hidden)]
#[allow(
    warnings,
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "it is generated, and the mistakes of what it is made of are reported there"
)]
mod __wasmhost_main {
    use super::*;
    ::wasmhost_guest::__private::bindings!(
        r"package my-app:main;

world main-world {
  /// Adds.
  export main: async func(foo: s64, bar: string) -> result<string, string>;
}
",
        "::std::collections::HashMap", []
    );
    struct __Class;
    impl Guest for __Class {
        async fn main(
            foo: i64,
            bar: ::std::string::String,
        ) -> ::core::result::Result<::std::string::String, ::std::string::String> {
            let returned = super::main(foo, bar).await;
            returned.map_err(|error| ::wasmhost_guest::__text!(error))
        }
    }
    export!(__Class);
    #[used]
    #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
    static MANIFEST: [u8; 148] = *br#"{"version":1,"class":{"main":{"memory":"64MiB","method":{"main":{"docs":"Adds.","arguments":{"bar":"none"},"argument-docs":{"foo":"The first."}}}}}}"#;
}
