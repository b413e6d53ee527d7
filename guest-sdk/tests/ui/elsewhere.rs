#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model;

#[class]
mod a_name_that_is_too_long_for_a_host {
    #[method]
    fn get() {}
}

#[class]
struct Model;

#[function]
#[enter]
fn f() {}

#[function]
fn main() {}
