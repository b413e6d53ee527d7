//! Serves the promises about finding classes: two in one component, the names of hooks on functions that are none, and
//! settings and docs in the section `wasmhost:manifest`, in two documents that the linker puts back to back.

use std::sync::OnceLock;

use exports::test::two_classes::{greeter, near_misses};

wit_bindgen::generate!({ path: "wit" });

/// Places a JSON document in the section `wasmhost:manifest`.
macro_rules! manifest {
    ($name:ident, $document:literal) => {
        #[used]
        #[unsafe(link_section = "wasmhost:manifest")]
        static $name: [u8; $document.len()] = *$document;
    };
}

manifest!(
    GREETER,
    br#"{
  "version": 1,
  "class": {
    "greeter": {
      "docs": "Greets people.",
      "idle-timeout": "5s",
      "parameters": { "times": 1 },
      "method": {
        "greet": {
          "docs": "Greets one person by name.",
          "arguments": { "loudly": false },
          "web": "GET /greet/{name}"
        }
      }
    }
  }
}
"#
);

manifest!(
    NEAR_MISSES,
    br#"{
  "version": 1,
  "class": { "near-misses": { "docs": "Functions that are named like hooks." } }
}
"#
);

struct TwoClasses;

impl near_misses::Guest for TwoClasses {
    fn build() -> String {
        "built".to_owned()
    }

    fn enter(start: u32) -> u32 {
        start
    }

    fn exit(_code: u32) {}

    fn restore(_state: String) {}
}

/// The greeting and how often it is said.
static PARAMETERS: OnceLock<(String, u32)> = OnceLock::new();

impl greeter::Guest for TwoClasses {
    fn enter(greeting: String, times: u32) -> Result<(), String> {
        PARAMETERS.set((greeting, times)).map_err(|_| "this instance was entered before".to_owned())
    }

    fn exit() {
        println!("goodbye");
    }

    fn greet(name: String, loudly: bool) -> String {
        let (greeting, times) = PARAMETERS.get().expect("the host enters an instance before it calls it");
        let text = vec![format!("{greeting}, {name}"); *times as usize].join(" ");
        if loudly { text.to_uppercase() } else { text }
    }
}

export!(TwoClasses);
