mod shared {
    #[allow(unused_imports, reason = "a module that needs none of it is no mistake")]
    use ::wasmhost_guest::prelude::*;
    #[derive(Default)]
    pub struct Shared(u32);
    impl Shared {
        async fn warm(&mut self) -> Result<()> {
            Ok(())
        }
        fn read(&self) -> u32 {
            self.0
        }
        async fn add(&mut self, by: u32) {
            self.0 += by;
        }
        async fn flush(&mut self) -> Result<()> {
            Ok(())
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
            r"package my-app:shared;

interface shared {
  enter: async func() -> result<_, string>;
  exit: async func() -> result<_, string>;
  read: async func() -> u32;
  add: async func(by: u32);
}

world shared-world {
  export shared;
}
",
            "::std::collections::HashMap", []
        );
        use self::exports::my_app::shared::shared as bindings;
        ::std::thread_local! {
            static STATE : ::wasmhost_guest::__private::Slot <
            ::wasmhost_guest::__private::Lock < super::Shared >> = const {
            ::wasmhost_guest::__private::Slot::of_state() };
        }
        struct __Class;
        impl bindings::Guest for __Class {
            async fn enter() -> ::core::result::Result<(), ::std::string::String> {
                let mut state = ::wasmhost_guest::__private::start::<super::Shared>();
                super::Shared::warm(&mut state)
                    .await
                    .map_err(|error| ::wasmhost_guest::__text!(error))?;
                STATE
                    .with(|slot| {
                        slot.put(::wasmhost_guest::__private::Lock::new(state))
                    });
                ::core::result::Result::Ok(())
            }
            async fn exit() -> ::core::result::Result<(), ::std::string::String> {
                let mut failures = ::wasmhost_guest::__private::Failures::default();
                let mut state = STATE
                    .with(::wasmhost_guest::__private::Slot::get)
                    .exclusive()
                    .await;
                failures
                    .note(
                        super::Shared::flush(&mut state)
                            .await
                            .map_err(|error| ::wasmhost_guest::__text!(error)),
                    );
                let state = state.take();
                super::Shared::close(state);
                failures.into_result()
            }
            async fn read() -> u32 {
                let state = STATE
                    .with(::wasmhost_guest::__private::Slot::get)
                    .shared()
                    .await;
                let returned = super::Shared::read(&state);
                returned
            }
            async fn add(by: u32) {
                let mut state = STATE
                    .with(::wasmhost_guest::__private::Slot::get)
                    .exclusive()
                    .await;
                let returned = super::Shared::add(&mut state, by).await;
                returned
            }
        }
        export!(__Class);
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
        static MANIFEST: [u8; 50] = *br#"{"version":1,"class":{"shared":{"concurrency":8}}}"#;
        pub mod handle {
            /**Calls the class `shared`.

Parameters are given first, in any order, then one of the methods is called. What has a default or is an `Option` may be left out.*/
            pub fn call() -> Call {
                Call {
                    parameters: ::wasmhost_guest::__private::Fields::new(),
                    given: ::core::marker::PhantomData,
                }
            }
            #[derive(Debug)]
            #[must_use = "a class is called by one of its methods"]
            pub struct Call {
                parameters: ::wasmhost_guest::__private::Fields,
                given: ::core::marker::PhantomData<()>,
            }
            impl Call {
                ///Calls `read`.
                pub fn read(self) -> ::wasmhost_guest::Call<u32, ::std::string::String> {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    ::wasmhost_guest::Call::new(
                        "shared",
                        "read",
                        self.parameters,
                        arguments,
                    )
                }
                ///Calls `add`.
                pub fn add(
                    self,
                    by: u32,
                ) -> ::wasmhost_guest::Call<(), ::std::string::String> {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    arguments.put("by", &by);
                    ::wasmhost_guest::Call::new(
                        "shared",
                        "add",
                        self.parameters,
                        arguments,
                    )
                }
            }
        }
    }
}
