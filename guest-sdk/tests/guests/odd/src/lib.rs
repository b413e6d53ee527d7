//! Serves the promise that names are the user's to choose: words of WIT and of Rust, names that generated code has as
//! well, a `Result` from elsewhere, and types that are named by a path. The package is called `world`.

mod elsewhere {
    pub(crate) type Result<T> = std::result::Result<T, Refused>;

    #[derive(Debug)]
    pub(crate) struct Refused(pub(crate) &'static str);

    impl std::fmt::Display for Refused {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    pub(crate) struct Table(pub(crate) u32);
}

use elsewhere::{Refused, Result};
use wasmhost_guest::prelude::*;

#[class]
mod list {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Value)]
    pub enum Enum {
        Async,
        Flags,
    }

    #[derive(Value)]
    pub struct Record {
        pub from: u8,
        pub r#use: Enum,
        pub r#type: Vec<Option<Guest>>,
    }

    #[derive(Value)]
    pub enum Guest {
        Own(String),
        Borrow,
    }

    pub struct Class {
        state: u32,
        table: &'static super::elsewhere::Table,
    }

    impl Class {
        #[build]
        fn returned() -> Result<super::elsewhere::Table> {
            Ok(super::elsewhere::Table(2))
        }

        #[enter]
        fn slot(#[built] table: &'static super::elsewhere::Table, #[default(1)] state: u32) -> Result<Class> {
            if state == 0 { Err(Refused("zero")) } else { Ok(Self { state, table }) }
        }

        #[method]
        fn r#async(&mut self, r#fn: Record, mut returned: u32, r#box: Guest) -> Result<Record> {
            returned += self.state + self.table.0;
            let mut back = r#fn;
            back.from = u8::try_from(returned).map_err(|_| Refused("too much"))?;
            back.r#type.push(Some(r#box));
            Ok(back)
        }

        #[wasmhost_guest::post("/{lock}")]
        fn interface(&self, lock: f32) -> f32 {
            lock
        }
    }
}

/// A function of the file that has a class's name for its own.
#[function(timeout = "1s")]
#[get("/{of}")]
async fn resource(
    /** What of. */
    of: String,
    #[default(Some("none"))] func: Option<String>,
) -> Result<String> {
    func.map(|func| format!("{of}: {func}")).ok_or(Refused("nothing"))
}

pub mod deeper {
    #[wasmhost_guest::class]
    pub mod inner {
        #[method]
        pub fn generate(x: (u8,)) -> (u8,) {
            x
        }
    }
}
