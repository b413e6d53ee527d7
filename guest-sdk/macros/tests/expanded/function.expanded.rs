fn square(x: i64) -> i64 {
    x * x
}
///Calls of [`square`](fn@square).
mod square {
    #[allow(
        unused_imports,
        unreachable_pub,
        reason = "not every class is called from its own component"
    )]
    pub use super::__wasmhost_square::handle::call;
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
mod __wasmhost_square {
    use super::*;
    ::wasmhost_guest::__private::bindings!(
        r"package my-app:square;

interface square {
  square: func(x: s64) -> s64;
}

world square-world {
  export square;
}
",
        "::std::collections::HashMap", []
    );
    use self::exports::my_app::square::square as bindings;
    struct __Class;
    impl bindings::Guest for __Class {
        fn square(x: i64) -> i64 {
            let returned = super::square(x);
            returned
        }
    }
    export!(__Class);
    #[used]
    #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
    static MANIFEST: [u8; 35] = *br#"{"version":1,"class":{"square":{}}}"#;
    pub mod handle {
        ///Calls `square`.
        pub fn call(x: i64) -> ::wasmhost_guest::Call<i64, ::std::string::String> {
            let mut arguments = ::wasmhost_guest::__private::Fields::new();
            arguments.put("x", &x);
            ::wasmhost_guest::Call::new(
                "square",
                "square",
                ::wasmhost_guest::__private::Fields::new(),
                arguments,
            )
        }
    }
}
