//! Serves the promise that the SDK costs next to nothing: the guest `model` once more, by hand.

#![allow(unsafe_code, reason = "bindings are made of it")]

use std::cell::RefCell;
use std::sync::OnceLock;

use exports::by_hand::model::model::{Guest, Prediction};
use exports::by_hand::model::square;

wit_bindgen::generate!({ path: "wit" });

static TABLE: OnceLock<Table> = OnceLock::new();

thread_local! {
    static MODEL: RefCell<Option<Model>> = const { RefCell::new(None) };
}

struct Table {
    words: Vec<String>,
}

struct Model {
    name: String,
    size: i64,
    table: &'static Table,
}

struct Class;

impl Guest for Class {
    fn build() -> Result<(), String> {
        println!("building");
        let table = Table { words: vec!["call".into(), "me".into(), "Ishmael".into()] };
        TABLE.set(table).map_err(|_| "built before".to_owned())
    }

    fn enter(name: String, size: i64) -> Result<(), String> {
        if name.is_empty() {
            return Err("a model has a name".into());
        }
        let table = TABLE.get().ok_or("not built")?;
        MODEL.with_borrow_mut(|model| *model = Some(Model { name, size, table }));
        Ok(())
    }

    fn exit() {
        if let Some(model) = MODEL.take() {
            println!("closing {}", model.name);
        }
    }

    fn generate(prompt: String) -> Result<String, String> {
        MODEL.with_borrow_mut(|model| {
            let model = model.as_mut().ok_or("not entered")?;
            let next = usize::try_from(model.size).map_err(|error| error.to_string())?;
            let word = model.table.words.get(next).ok_or_else(|| format!("there is no word {next}"))?;
            model.size += 1;
            Ok(format!("{prompt} {word}"))
        })
    }

    async fn predict(x: Vec<f64>) -> Prediction {
        let label = MODEL.with_borrow(|model| model.as_ref().map(|model| model.name.clone()).unwrap_or_default());
        Prediction { label, score: x.iter().sum() }
    }

    fn home(id: u32, qux: String) -> String {
        MODEL.with_borrow(|model| {
            let name = model.as_ref().map_or("", |model| &model.name);
            format!("user {id} of {name} with {qux}")
        })
    }
}

impl square::Guest for Class {
    fn square(x: i64) -> i64 {
        x * x
    }
}

export!(Class);
