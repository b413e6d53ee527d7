//! The class `greeter`: a state, hooks around its life, and a method that answers web requests, too.
//!
//! Comments with `///` are shown to callers, by `wasmhost inspect` and by `--help`.

use wasmhost_guest::prelude::*;

/// Greets people in one language.
#[class]
mod greeter {
    use std::collections::BTreeMap;

    pub struct Greetings(BTreeMap<&'static str, &'static str>);

    pub struct Greeter {
        greeting: &'static str,
        greeted: u32,
    }

    impl Greeter {
        // Runs once, when the app is loaded for the first time. All instances start from a
        // snapshot of what it left: what takes long and is always the same belongs here.
        #[build]
        fn collect() -> Greetings {
            Greetings(BTreeMap::from([
                ("de", "Hallo"),
                ("en", "Hello"),
                ("es", "Hola"),
                ("fr", "Bonjour"),
            ]))
        }

        // Runs once per instance. Its arguments are the parameters of the class, and each set of
        // them has instances of its own: connections and models are opened here.
        #[enter]
        fn new(
            #[built] greetings: &'static Greetings,
            /// The language to greet in.
            #[default("en")]
            language: String,
        ) -> Result<Self> {
            let Some(greeting) = greetings.0.get(language.as_str()) else {
                let known = greetings.0.keys().copied().collect::<Vec<_>>().join(", ");
                bail!("there is no greeting in `{language}`, only in {known}");
            };
            Ok(Self {
                greeting,
                greeted: 0,
            })
        }

        // What the path does not name comes from the query: parameters of the class, and arguments
        // of the method. Other verbs are `post`, `put`, `delete` and `patch`; those have a body.
        /// Greets somebody.
        #[get("/greet/{name}")]
        fn greet(
            &mut self,
            /// Whom to greet.
            name: String,
        ) -> Result<String> {
            if name.is_empty() {
                bail!("nobody is there to greet");
            }
            self.greeted += 1;
            Ok(format!("{}, {name}!", self.greeting))
        }

        // Runs once per instance, before it goes.
        #[exit]
        fn leave(self) {
            println!("said `{}` {} times", self.greeting, self.greeted);
        }
    }
}
