#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

mod settings {
    use wasmhost_guest::prelude::*;

    #[main(timeout = "30s", memory = "64MiB", concurrency = 2)]
    async fn main(path: &str, size: usize) -> Result<()> {
        Ok(())
    }
}

mod attributes {
    use wasmhost_guest::prelude::*;

    #[main]
    #[get("/")]
    fn main(#[default("x")] foo: i64, #[built] table: &'static u8) {}
}

mod receivers {
    use wasmhost_guest::prelude::*;

    #[main]
    fn main(&self) {}
}

#[main]
mod program {}

#[class]
mod inside {
    pub struct Inside;

    impl Inside {
        #[main]
        fn main() {}

        #[method]
        fn get() {}
    }

    #[function]
    fn square(x: i64) -> i64 {
        x * x
    }

    fn call() {}
}

fn main() {}
