//! The class `my-class`: `enter` receives the parameters of the pool, and every later call of the instance finds them.

use std::sync::OnceLock;

use exports::example::parameterized::my_class::Guest;

wit_bindgen::generate!({ path: "wit" });

/// The parameters this instance was entered with.
struct Parameters {
    foo: String,
    bar: i64,
}

/// An instance is entered once and serves one class, so its state is a static that is set once.
static PARAMETERS: OnceLock<Parameters> = OnceLock::new();

struct MyClass;

impl Guest for MyClass {
    fn enter(foo: String, bar: i64) -> Result<(), String> {
        PARAMETERS.set(Parameters { foo, bar }).map_err(|_| "this instance was entered before".to_owned())
    }

    fn baz(qux: String) -> String {
        let Parameters { foo, bar } = PARAMETERS.get().expect("the host enters an instance before it calls it");
        format!("This code is running in instance pool ({foo}, {bar}), with input qux={qux}")
    }
}

export!(MyClass);
