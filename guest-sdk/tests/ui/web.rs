//! What is wrong with web handlers: what they take, what they give, and how many there are.

use wasmhost_guest::prelude::*;

#[class]
mod two {
    #[web]
    fn one(request: Request) -> Response {
        Response::new(request.into_body())
    }

    #[web]
    fn another(request: Request) -> Response {
        Response::new(request.into_body())
    }
}

#[class]
mod signatures {
    #[derive(Default)]
    pub struct Site;

    impl Site {
        #[web]
        fn nothing(&self) {}

        #[web]
        fn a_value(self, path: String, more: u32) -> Result<String> {
            Ok(path + &more.to_string())
        }
    }
}

#[class]
mod mixed {
    #[web("GET /count")]
    fn count() -> u64 {
        1
    }

    #[web]
    #[get("/")]
    fn home(_request: Request) -> Response {
        Response::default()
    }

    #[web]
    #[method]
    fn method(_request: Request) -> Response {
        Response::default()
    }

    #[web]
    #[enter]
    fn enter(_request: Request) -> Response {
        Response::default()
    }
}

#[class]
mod errors {
    pub struct Silent;

    #[web]
    fn handle(_request: Request) -> Result<Response, Silent> {
        Err(Silent)
    }
}

#[web("/")]
fn alone(_request: Request) -> Response {
    Response::default()
}

#[web(reuse = true)]
fn with_settings(_request: Request) -> Response {
    Response::default()
}

#[web]
struct Nothing;

fn main() {}
