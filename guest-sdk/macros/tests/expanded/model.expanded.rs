/// A model of few words.
mod model {
    #[allow(unused_imports, reason = "a module that needs none of it is no mistake")]
    use ::wasmhost_guest::prelude::*;
    use super::Table;
    /// Records, enums and variants are ordinary Rust types.
    #[derive(Value)]
    pub struct Prediction {
        pub label: String,
        pub score: f64,
    }
    pub struct Model {
        name: String,
        size: i64,
        table: &'static Table,
    }
    impl Model {
        fn download() -> Result<Table> {
            Ok(Table)
        }
        fn load(table: &'static Table, name: String, size: i64) -> Result<Self> {
            Ok(Self { name, size, table })
        }
        fn generate(&mut self, prompt: String) -> Result<String> {
            Ok(prompt)
        }
        async fn predict(&self, x: Vec<f64>) -> Prediction {
            Prediction {
                label: self.name.clone(),
                score: x.iter().sum(),
            }
        }
        fn home(&self, id: u32, qux: String) -> String {
            format!("{id} {qux}")
        }
        fn close(self) {}
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
    mod __wasmhost {
        use super::*;
        ::wasmhost_guest::__private::bindings!(
            r"package my-app:model;

/// A model of few words.
interface model {
  /// Records, enums and variants are ordinary Rust types.
  record prediction {
    label: string,
    score: f64,
  }

  build: func() -> result<_, string>;
  enter: func(name: string, size: s64) -> result<_, string>;
  exit: func();
  generate: func(prompt: string) -> result<string, string>;
  predict: async func(x: list<f64>) -> prediction;
  home: func(id: u32, qux: string) -> string;
}

world model-world {
  export model;
}
",
            "::std::collections::HashMap", [Prediction]
        );
        use self::exports::my_app::model::model as bindings;
        ::std::thread_local! {
            static STATE : ::wasmhost_guest::__private::Slot <
            ::wasmhost_guest::__private::Alone < super::Model >> = const {
            ::wasmhost_guest::__private::Slot::new() }; static BUILT_DOWNLOAD :
            ::wasmhost_guest::__private::Kept < Table > = const {
            ::wasmhost_guest::__private::Kept::new() };
        }
        struct __Class;
        impl bindings::Guest for __Class {
            fn build() -> ::core::result::Result<(), ::std::string::String> {
                {
                    let made = super::Model::download()
                        .map_err(|error| ::wasmhost_guest::__text!(error))?;
                    BUILT_DOWNLOAD.with(|kept| kept.put(made));
                }
                ::core::result::Result::Ok(())
            }
            fn enter(
                name: ::std::string::String,
                size: i64,
            ) -> ::core::result::Result<(), ::std::string::String> {
                let mut state = super::Model::load(
                        BUILT_DOWNLOAD.with(::wasmhost_guest::__private::Kept::get),
                        name,
                        size,
                    )
                    .map_err(|error| ::wasmhost_guest::__text!(error))?;
                STATE
                    .with(|slot| {
                        slot.put(::wasmhost_guest::__private::Alone::new(state))
                    });
                ::core::result::Result::Ok(())
            }
            fn exit() {
                let mut state = STATE
                    .with(::wasmhost_guest::__private::Slot::get)
                    .exclusive();
                let state = state.take();
                super::Model::close(state);
            }
            fn generate(
                prompt: ::std::string::String,
            ) -> ::core::result::Result<::std::string::String, ::std::string::String> {
                let mut state = STATE
                    .with(::wasmhost_guest::__private::Slot::get)
                    .exclusive();
                let returned = super::Model::generate(&mut state, prompt);
                returned.map_err(|error| ::wasmhost_guest::__text!(error))
            }
            async fn predict(x: ::std::vec::Vec<f64>) -> super::Prediction {
                let state = STATE.with(::wasmhost_guest::__private::Slot::get).shared();
                let returned = super::Model::predict(&state, x).await;
                returned
            }
            fn home(id: u32, qux: ::std::string::String) -> ::std::string::String {
                let state = STATE.with(::wasmhost_guest::__private::Slot::get).shared();
                let returned = super::Model::home(&state, id, qux);
                returned
            }
        }
        export!(__Class);
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
        static MANIFEST: [u8; 200] = *br#"{"version":1,"class":{"model":{"memory":"256MiB","max-instances":8,"docs":"A model of few words.","parameters":{"size":100},"method":{"home":{"arguments":{"qux":"default"},"web":"GET /users/{id}"}}}}}"#;
    }
}
