//! Serves the promises about a web handler beside typed methods: parameters in the query, hooks, routes that come first, and
//! two classes that may have it.

use std::cell::{Cell, RefCell};
use std::io::Write as _;

use exports::test::site::guestbook::Guest as Guestbook;
use exports::test::site::site::Guest as Site;
use wasip2::exports::http::incoming_handler::Guest as Handler;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

wit_bindgen::generate!({ path: "wit" });

struct Component;

export!(Component);
wasip2::http::proxy::export!(Component);

thread_local! {
    static NAME: RefCell<String> = const { RefCell::new(String::new()) };
    static HITS: Cell<u32> = const { Cell::new(0) };
}

impl Site for Component {
    fn enter(name: String, size: i64) -> Result<(), String> {
        if name.is_empty() {
            return Err("a site has a name".to_owned());
        }
        println!("entered {name} {size}");
        NAME.set(name);
        Ok(())
    }

    fn exit() {
        println!("left");
    }

    fn hits() -> u32 {
        HITS.get()
    }
}

impl Guestbook for Component {
    fn enter() {
        NAME.set("the guestbook".to_owned());
    }
}

impl Handler for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        HITS.set(HITS.get() + 1);
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the first body");
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().expect("the first stream");
        let target = request.path_with_query().unwrap_or_default();
        let text = NAME.with_borrow(|name| format!("{name} at {target}, hit {}", HITS.get()));
        stream.write_all(text.as_bytes()).expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("nothing was said of its length");
    }
}
