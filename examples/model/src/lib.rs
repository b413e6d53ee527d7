//! The class `model`: `enter` reads the model's file once, and each call of the instance finds it loaded.

use wasmhost_guest::prelude::*;

mod table;

/// A text model, loaded once per instance and used by every call of it.
#[class]
mod model {
    use std::fs;

    use crate::table::Table;

    /// Where the manifest's `files` puts the model.
    const FILE: &str = "/data/model.bin";

    pub struct Model {
        table: Table,
    }

    impl Model {
        /// Loads a model.
        #[enter]
        fn load_model(
            /// The text it was made of.
            name: String,
            /// How many of its most frequent words to keep.
            #[default(100)]
            size: u32,
        ) -> Result<Self> {
            println!("loading model {name} with size {size}");
            let file = fs::read(FILE).map_err(|error| error!("cannot read {FILE}: {error}"))?;
            let table = Table::load(&file, &name, usize::try_from(size)?).map_err(Error::new)?;
            Ok(Self { table })
        }

        /// Continues the prompt by one sentence at most. The same prompt is always continued the same way.
        #[method]
        fn generate(&self, prompt: String) -> String {
            self.table.continue_from(&prompt)
        }
    }
}
