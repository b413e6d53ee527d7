mod site {
    #[allow(unused_imports, reason = "a module that needs none of it is no mistake")]
    use ::wasmhost_guest::prelude::*;
    #[derive(Default)]
    pub struct Site {
        visits: u64,
    }
    impl Site {
        fn visits(&self) -> u64 {
            self.visits
        }
        fn handle(&mut self, request: Request) -> Result<Response> {
            self.visits += 1;
            Ok(Response::new(request.into_body()))
        }
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
            r"package my-app:site;

interface site {
  enter: func();
  visits: func() -> u64;
}

world site-world {
  export site;
}
",
            "::std::collections::HashMap", []
        );
        use self::exports::my_app::site::site as bindings;
        ::std::thread_local! {
            static STATE : ::wasmhost_guest::__private::Slot <
            ::wasmhost_guest::__private::Alone < super::Site >> = const {
            ::wasmhost_guest::__private::Slot::of_state() };
        }
        struct __Class;
        impl bindings::Guest for __Class {
            fn enter() {
                let mut state = ::wasmhost_guest::__private::start::<super::Site>();
                STATE
                    .with(|slot| {
                        slot.put(::wasmhost_guest::__private::Alone::new(state))
                    });
            }
            fn visits() -> u64 {
                let state = STATE.with(::wasmhost_guest::__private::Slot::get).shared();
                let returned = super::Site::visits(&state);
                returned
            }
        }
        export!(__Class);
        impl ::wasmhost_guest::__private::wasip2::exports::http::incoming_handler::Guest
        for __Class {
            fn handle(
                request: ::wasmhost_guest::__private::wasip2::http::types::IncomingRequest,
                response: ::wasmhost_guest::__private::wasip2::http::types::ResponseOutparam,
            ) {
                ::wasmhost_guest::__private::serve(
                    request,
                    response,
                    |request: ::wasmhost_guest::web::Request| {
                        let mut state = STATE
                            .with(::wasmhost_guest::__private::Slot::get)
                            .exclusive();
                        let answer: ::core::result::Result<
                            ::wasmhost_guest::web::Response,
                            ::std::string::String,
                        > = super::Site::handle(&mut state, request)
                            .map_err(|error| ::wasmhost_guest::__text!(error));
                        answer
                    },
                )
            }
        }
        ::wasmhost_guest::__private::wasip2::http::proxy::export!(__Class);
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
        static MANIFEST: [u8; 74] = *br#"{"version":1,"class":{"site":{"method":{"visits":{"web":"GET /visits"}}}}}"#;
        pub mod handle {
            /**Calls the class `site`.

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
                ///Calls `visits`.
                pub fn visits(
                    self,
                ) -> ::wasmhost_guest::Call<u64, ::std::string::String> {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    ::wasmhost_guest::Call::new(
                        "site",
                        "visits",
                        self.parameters,
                        arguments,
                    )
                }
            }
        }
    }
}
