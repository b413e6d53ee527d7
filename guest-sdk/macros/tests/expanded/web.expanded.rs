async fn handle(request: Request) -> Response {
    Response::new(request.into_body())
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
mod __wasmhost_web {
    use super::*;
    struct __Class;
    impl ::wasmhost_guest::__private::handler::exports::wasi::http::handler::Guest
    for __Class {
        async fn handle(
            request: ::wasmhost_guest::__private::handler::wasi::http::types::Request,
        ) -> ::core::result::Result<
            ::wasmhost_guest::__private::handler::wasi::http::types::Response,
            ::wasmhost_guest::__private::handler::wasi::http::types::ErrorCode,
        > {
            ::wasmhost_guest::__private::serve_shared(
                    request,
                    async |request: ::wasmhost_guest::web::Request| {
                        let answer: ::core::result::Result<
                            ::wasmhost_guest::web::Response,
                            ::std::string::String,
                        > = ::core::result::Result::Ok(super::handle(request).await);
                        answer
                    },
                )
                .await
        }
    }
    ::wasmhost_guest::__private::handler::export_web_handler!(
        __Class with_types_in::wasmhost_guest::__private::handler
    );
}
