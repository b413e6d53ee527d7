#![allow(unused, reason = "only mistakes are of interest")]

use wasmhost_guest::prelude::*;

#[class]
mod model {
    pub struct Table;
    pub struct Index;
    pub struct Model;

    impl Model {
        #[build]
        fn download() -> Table {
            Table
        }

        #[build]
        fn again() -> Result<Table> {
            Ok(Table)
        }

        #[enter]
        fn load(#[built] index: &'static Index, #[built] table: &Table, #[built] owned: Table) -> Self {
            Self
        }

        #[method]
        fn get(&self, #[built] table: &'static Table) {}
    }
}

fn main() {}
