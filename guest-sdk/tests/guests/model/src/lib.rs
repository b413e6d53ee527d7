//! Serves the promise that the class of the first page compiles as it is written there: each kind of function, and a
//! second class of one function beside it.

use wasmhost_guest::prelude::*;

/// What `build` makes.
struct Table {
    words: Vec<String>,
}

#[class(memory = "256MiB", max_instances = 8)]
mod model {
    use super::Table;

    /// Records, enums and variants are ordinary Rust types.
    #[derive(Value)]
    pub struct Prediction {
        pub label: String,
        pub score: f64,
    }

    /// A model of few words.
    pub struct Model {
        name: String,
        size: i64,
        table: &'static Table,
    }

    impl Model {
        #[build]
        fn download() -> Result<Table> {
            println!("building");
            Ok(Table { words: vec!["call".into(), "me".into(), "Ishmael".into()] })
        }

        /// Loads a model.
        #[enter]
        fn load(
            #[built] table: &'static Table,
            /// Whose words.
            name: String,
            #[default(100)] size: i64,
        ) -> Result<Self> {
            if name.is_empty() {
                bail!("a model has a name");
            }
            Ok(Self { name, size, table })
        }

        /// Continues the prompt.
        #[method]
        fn generate(&mut self, prompt: String) -> Result<String> {
            let next = usize::try_from(self.size)?;
            let word = self.table.words.get(next).ok_or_else(|| error!("there is no word {next}"))?;
            self.size += 1;
            Ok(format!("{prompt} {word}"))
        }

        #[method]
        async fn predict(&self, x: Vec<f64>) -> Prediction {
            Prediction { label: self.name.clone(), score: x.iter().sum() }
        }

        /// Greets a user.
        #[get("/users/{id}")]
        fn home(&self, id: u32, #[default("default")] qux: String) -> String {
            format!("user {id} of {} with {qux}", self.name)
        }

        #[exit]
        fn close(self) {
            println!("closing {}", self.name);
        }
    }
}

#[function]
fn square(x: i64) -> i64 {
    x * x
}
