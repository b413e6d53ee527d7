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
    #[allow(
        unused_imports,
        unreachable_pub,
        reason = "not every class is called from its own component"
    )]
    pub use self::__wasmhost::handle::call;
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
            ::wasmhost_guest::__private::Slot::of_state() }; static BUILT_DOWNLOAD :
            ::wasmhost_guest::__private::Slot < Table > = const {
            ::wasmhost_guest::__private::Slot::of_build() };
        }
        struct __Class;
        impl bindings::Guest for __Class {
            fn build() -> ::core::result::Result<(), ::std::string::String> {
                {
                    let made = super::Model::download()
                        .map_err(|error| ::wasmhost_guest::__text!(error))?;
                    BUILT_DOWNLOAD.with(|slot| slot.put(made));
                }
                ::core::result::Result::Ok(())
            }
            fn enter(
                name: ::std::string::String,
                size: i64,
            ) -> ::core::result::Result<(), ::std::string::String> {
                let mut state = super::Model::load(
                        BUILT_DOWNLOAD.with(::wasmhost_guest::__private::Slot::get),
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
        pub mod handle {
            /**Calls the class `model`.

Parameters are given first, in any order, then one of the methods is called. What has a default or is an `Option` may be left out.*/
            pub fn call() -> Call<
                ::wasmhost_guest::__private::Missing,
                ::wasmhost_guest::__private::Missing,
            > {
                Call {
                    parameters: ::wasmhost_guest::__private::Fields::new(),
                    given: ::core::marker::PhantomData,
                }
            }
            #[derive(Debug)]
            #[must_use = "a class is called by one of its methods"]
            pub struct Call<NameIs, SizeIs> {
                parameters: ::wasmhost_guest::__private::Fields,
                given: ::core::marker::PhantomData<(NameIs, SizeIs)>,
            }
            impl<NameIs, SizeIs> Call<NameIs, SizeIs> {
                ///Gives the parameter `name`.
                pub fn name(
                    mut self,
                    name: impl ::core::convert::Into<::std::string::String>,
                ) -> Call<::wasmhost_guest::__private::Given, SizeIs>
                where
                    NameIs: NameOnce,
                {
                    self.parameters
                        .put(
                            "name",
                            &::core::convert::Into::<::std::string::String>::into(name),
                        );
                    Call {
                        parameters: self.parameters,
                        given: ::core::marker::PhantomData,
                    }
                }
                /**Gives the parameter `size`.

Left out, or given as `None`, it is `100`.*/
                pub fn size(
                    mut self,
                    size: impl ::wasmhost_guest::__private::Maybe<i64>,
                ) -> Call<NameIs, ::wasmhost_guest::__private::Given>
                where
                    SizeIs: SizeOnce,
                {
                    if let ::core::option::Option::Some(size) = ::wasmhost_guest::__private::Maybe::maybe(
                        size,
                    ) {
                        self.parameters.put("size", &size);
                    }
                    Call {
                        parameters: self.parameters,
                        given: ::core::marker::PhantomData,
                    }
                }
                ///Calls `generate`.
                pub fn generate(
                    self,
                    prompt: impl ::core::convert::Into<::std::string::String>,
                ) -> ::wasmhost_guest::Call<::std::string::String, ::std::string::String>
                where
                    NameIs: NameGiven,
                {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    arguments
                        .put(
                            "prompt",
                            &::core::convert::Into::<::std::string::String>::into(prompt),
                        );
                    ::wasmhost_guest::Call::new(
                        "model",
                        "generate",
                        self.parameters,
                        arguments,
                    )
                }
                ///Calls `predict`.
                pub fn predict(
                    self,
                    x: ::std::vec::Vec<f64>,
                ) -> ::wasmhost_guest::Call<
                    super::super::Prediction,
                    ::std::string::String,
                >
                where
                    NameIs: NameGiven,
                {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    arguments.put("x", &x);
                    ::wasmhost_guest::Call::new(
                        "model",
                        "predict",
                        self.parameters,
                        arguments,
                    )
                }
                ///Calls `home`.
                pub fn home(
                    self,
                    id: u32,
                ) -> home::Call<::wasmhost_guest::__private::Missing>
                where
                    NameIs: NameGiven,
                {
                    home::Call {
                        call: {
                            let mut arguments = ::wasmhost_guest::__private::Fields::new();
                            arguments.put("id", &id);
                            ::wasmhost_guest::Call::new(
                                "model",
                                "home",
                                self.parameters,
                                arguments,
                            )
                        },
                        given: ::core::marker::PhantomData,
                    }
                }
            }
            #[diagnostic::on_unimplemented(
                message = "the parameter `name` is given twice",
                label = "`name` has a value already",
                note = "leave one of the two out"
            )]
            pub trait NameOnce {}
            impl NameOnce for ::wasmhost_guest::__private::Missing {}
            #[diagnostic::on_unimplemented(
                message = "the parameter `name` is missing",
                label = "called without `name`",
                note = "`name` of the class `model` has no default; write `.name(…)` before the method"
            )]
            pub trait NameGiven {}
            impl NameGiven for ::wasmhost_guest::__private::Given {}
            #[diagnostic::on_unimplemented(
                message = "the parameter `size` is given twice",
                label = "`size` has a value already",
                note = "leave one of the two out"
            )]
            pub trait SizeOnce {}
            impl SizeOnce for ::wasmhost_guest::__private::Missing {}
            pub mod home {
                #[derive(Debug)]
                #[must_use = "a call is made when it is awaited, or by `wait`"]
                pub struct Call<QuxIs> {
                    pub(super) call: ::wasmhost_guest::Call<
                        ::std::string::String,
                        ::std::string::String,
                    >,
                    pub(super) given: ::core::marker::PhantomData<(QuxIs)>,
                }
                impl<QuxIs> Call<QuxIs> {
                    /**Gives the argument `qux`.

Left out, or given as `None`, it is `"default"`.*/
                    pub fn qux(
                        mut self,
                        qux: impl ::wasmhost_guest::__private::Maybe<
                            ::std::string::String,
                        >,
                    ) -> Call<::wasmhost_guest::__private::Given>
                    where
                        QuxIs: QuxOnce,
                    {
                        if let ::core::option::Option::Some(qux) = ::wasmhost_guest::__private::Maybe::maybe(
                            qux,
                        ) {
                            self.call.put("qux", &qux);
                        }
                        Call {
                            call: self.call,
                            given: ::core::marker::PhantomData,
                        }
                    }
                    /// Makes the call and waits for its answer.
                    pub fn wait(
                        self,
                    ) -> ::core::result::Result<
                        ::std::string::String,
                        ::wasmhost_guest::CallError<::std::string::String>,
                    > {
                        self.call.wait()
                    }
                }
                impl<QuxIs> ::core::future::IntoFuture for Call<QuxIs> {
                    type Output = ::core::result::Result<
                        ::std::string::String,
                        ::wasmhost_guest::CallError<::std::string::String>,
                    >;
                    type IntoFuture = ::wasmhost_guest::Answer<
                        ::std::string::String,
                        ::std::string::String,
                    >;
                    fn into_future(self) -> Self::IntoFuture {
                        ::core::future::IntoFuture::into_future(self.call)
                    }
                }
                #[diagnostic::on_unimplemented(
                    message = "the argument `qux` is given twice",
                    label = "`qux` has a value already",
                    note = "leave one of the two out"
                )]
                pub trait QuxOnce {}
                impl QuxOnce for ::wasmhost_guest::__private::Missing {}
            }
        }
    }
}
