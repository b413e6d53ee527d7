//! Serves the promises about calls that guests make: in the form that waits, from methods and an entrypoint, into classes of
//! all sorts, and in circles. It does not import the other form, so it runs on the engine without concurrency.

use bindings::exports::test::calls::caller::{Guest as Caller, Step};
use bindings::wasmhost::host::{calls, context};

#[allow(clippy::too_many_arguments, reason = "four texts are eight numbers on the way to the host")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", generate_all });
}

struct Component;

impl Caller for Component {
    fn enter(name: String) -> Result<(), String> {
        if name == "from-enter" {
            let step = Step {
                class: "caller".into(),
                method: "echo".into(),
                parameters: r#"["x"]"#.into(),
                arguments: "{}".into(),
            };
            make(&step)?;
        }
        Ok(())
    }

    fn relay(steps: Vec<Step>) -> Result<String, String> {
        let mut last = String::new();
        for step in &steps {
            last = make(step)?;
        }
        Ok(last)
    }

    fn who() -> Vec<String> {
        let call_id = context::call_id();
        let same = call_id == context::call_id();
        vec![
            format!("app {}", context::app()),
            format!("version {:?}", context::version()),
            format!("class {:?}", context::class()),
            format!("parameters {}", context::parameters()),
            format!("call {}", if same && call_id.is_some() { "known" } else { "unknown" }),
            format!("seconds {:?}", context::deadline().map(|left| left.div_ceil(1_000_000_000))),
        ]
    }

    fn echo(text: String) -> String {
        text
    }

    fn refuse(reason: String) -> Result<(), String> {
        Err(reason)
    }

    #[allow(clippy::disallowed_methods, reason = "a guest that waits is what it serves as")]
    fn forever() {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }

    fn panics() {
        panic!("as asked");
    }
}

impl bindings::Guest for Component {
    fn main(class: String, method: String, parameters: String, arguments: String) -> Result<String, String> {
        make(&Step { class, method, parameters, arguments })
    }
}

bindings::export!(Component with_types_in bindings);

fn make(Step { class, method, parameters, arguments }: &Step) -> Result<String, String> {
    calls::call(class, method, parameters, arguments).map_err(|failure| {
        let value = failure.value.map(|value| format!(" <{value}>")).unwrap_or_default();
        format!("{}: {}{value}", failure.kind, failure.message)
    })
}
