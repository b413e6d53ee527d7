//! Serves the promise that a class without `async` has nothing of it, and so runs on the engine that is faster for it.

use wasmhost_guest::prelude::*;
#[class]
mod my_class {
    pub struct MyClass {
        foo: String,
        bar: i64,
    }
    impl MyClass {
        #[enter]
        fn new(foo: String, #[default(10)] bar: i64) -> Self {
            Self { foo, bar }
        }
        #[get("/")]
        fn baz(&self, #[default("default")] qux: String) -> String {
            format!("This code is running in instance pool ({}, {}), with input qux={qux}", self.foo, self.bar)
        }
    }
}
