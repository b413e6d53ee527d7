//! Classes with parameters: each set of values has a pool of instances of its own.

use wasmhost_guest::prelude::*;

/// A class whose method answers requests, too.
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

        /// Says which pool answered, and with what argument.
        #[get("/")]
        fn baz(&self, #[default("default")] qux: String) -> String {
            format!("This code is running in instance pool ({}, {}), with input qux={qux}", self.foo, self.bar)
        }
    }
}

/// The same with a parameter that is no whole number.
#[class]
mod my_float_class {
    pub struct MyFloatClass {
        foo: String,
        bar: f64,
    }

    impl MyFloatClass {
        #[enter]
        fn new(foo: String, #[default(10.3)] bar: f64) -> Self {
            Self { foo, bar }
        }

        /// Says which pool answered, and with what argument.
        #[method]
        fn baz(&self, #[default("default")] qux: String) -> String {
            format!("This code is running in instance pool ({}, {}), with input qux={qux}", self.foo, self.bar)
        }
    }
}

#[main]
async fn main() -> Result<()> {
    let m1 = my_class::call().foo("hedgehog").bar(7);
    println!("{}", m1.baz().await?);

    let m2 = my_class::call().foo("fox");
    println!("{}", m2.baz().qux("override").await?);

    // By names alone, as one calls the classes of other apps.
    let m3 = call("parameterized-function-app/my-float-class").parameter("foo", "snake");
    let text: String = m3.method("baz").await?;
    println!("{text}");
    Ok(())
}
