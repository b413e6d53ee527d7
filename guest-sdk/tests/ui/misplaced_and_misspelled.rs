#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Model;

    impl Model {
        #[entr]
        fn new(name: String) -> Self {
            Self
        }

        #[metod]
        #[inline]
        #[must_use]
        fn generate(&self) -> String {
            String::new()
        }

        #[method]
        #[default(100)]
        fn sized(&self, size: i64) {}

        #[psot("/words")]
        fn add(&self, word: String) {}

    }
}

#[function]
#[default(2)]
fn power(x: i64, exponent: u32) -> i64 {
    x.pow(exponent)
}

mod entrypoint {
    use wasmhost_guest::prelude::*;

    #[main]
    #[default(2)]
    fn main(x: i64) {}
}

#[class]
mod imports {
    use super::*;

    #[derive(Default)]
    pub struct Imports;

    impl Imports {
        #[method]
        fn known(&self) {}

        // Where it may be another macro, it is the compiler's to say that there is none.
        #[metod]
        fn unknown(&self) {}
    }
}

// No call is a mistake.
async fn caller() -> Result<String> {
    Ok(model::call().name("a").generate().await?)
}

fn main() {}
