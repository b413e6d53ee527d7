//! The class `model`: `enter` reads the model's file once, and each call of the instance finds it loaded.

use std::sync::OnceLock;

use exports::example::model::model::Guest;
use table::Table;

mod table;

wit_bindgen::generate!({ path: "wit" });

/// Where the manifest's `files` puts the model.
const FILE: &str = "/data/model.bin";

static TABLE: OnceLock<Table> = OnceLock::new();

struct Model;

impl Guest for Model {
    fn enter(name: String, size: i64) -> Result<(), String> {
        println!("loading model {name} with size {size}");
        let size = usize::try_from(size).map_err(|_| format!("a model cannot keep {size} words"))?;
        let file = std::fs::read(FILE).map_err(|error| format!("cannot read {FILE}: {error}"))?;
        let table = Table::load(&file, &name, size)?;
        TABLE.set(table).map_err(|_| "this instance was entered before".to_owned())
    }

    fn generate(prompt: String) -> String {
        TABLE.get().expect("the host enters an instance before it calls it").continue_from(&prompt)
    }
}

export!(Model);
