/// A model of few words.
#[class(memory = "256MiB", max_instances = 8)]
mod model {
    use super::Table;

    /// Records, enums and variants are ordinary Rust types.
    #[derive(Value)]
    pub struct Prediction {
        pub label: String,
        pub score: f64,
    }

    pub struct Model {
        name: String,
        size: i64,
        table: &'static Table,
    }

    impl Model {
        #[build]
        fn download() -> Result<Table> {
            Ok(Table)
        }

        #[enter]
        fn load(#[built] table: &'static Table, name: String, #[default(100)] size: i64) -> Result<Self> {
            Ok(Self { name, size, table })
        }

        #[method]
        fn generate(&mut self, prompt: String) -> Result<String> {
            Ok(prompt)
        }

        #[method]
        async fn predict(&self, x: Vec<f64>) -> Prediction {
            Prediction { label: self.name.clone(), score: x.iter().sum() }
        }

        #[get("/users/{id}")]
        fn home(&self, id: u32, #[default("default")] qux: String) -> String {
            format!("{id} {qux}")
        }

        #[exit]
        fn close(self) {}
    }
}
