#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    #[get("/users/{id}")]
    fn one(id: u32) {}

    #[get("/users/{name}")]
    fn two(name: String) {}

    #[post("/users/{nobody}")]
    fn three(id: u32) {}

    #[put("users")]
    fn four() {}

    #[patch]
    fn five() {}

    #[get("/a")]
    #[delete("/b")]
    fn six() {}

    #[get("/{*rest}/more")]
    fn seven(rest: String) {}
}

fn main() {}
