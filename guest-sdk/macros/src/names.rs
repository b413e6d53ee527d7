//! Names in Rust, in WIT, and in the bindings made from WIT.

use heck::{ToKebabCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::Ident;
use syn::ext::IdentExt as _;

use crate::model::Name;
use crate::problems::Problems;

/// The longest name of a class: it becomes part of a host name.
const MAX_CLASS_CHARS: usize = 30;

/// What WIT has words of its own for; a name that is one is written with a `%` before it.
const WIT_WORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// The words of Rust that the bindings write with a `_` after them.
const RUST_WORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Makes the name of a thing from its identifier, or reports why it has none.
pub(crate) fn name(ident: &Ident, problems: &mut Problems) -> Name {
    let written = ident.unraw().to_string();
    let wit = written.to_kebab_case();
    if !wit.starts_with(|first: char| first.is_ascii_lowercase()) || !wit.is_ascii() {
        problems.on(
            ident,
            format!("`{written}` cannot be a name in WIT; use ASCII letters, digits and `_`, a letter first"),
        );
    }
    Name { rust: ident.clone(), wit }
}

/// Makes the name of a class, which is part of host names.
pub(crate) fn class_name(ident: &Ident, problems: &mut Problems) -> Name {
    let name = name(ident, problems);
    let chars = name.wit.chars().count();
    if chars > MAX_CLASS_CHARS {
        let message =
            format!("the class `{}` has {chars} characters in its name; it has at most {MAX_CLASS_CHARS}", name.wit);
        problems.on(ident, message);
    }
    name
}

/// The name as it stands in a WIT document.
pub(crate) fn in_wit(name: &str) -> String {
    if WIT_WORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

/// The identifier of a function, field, argument or module in the bindings.
pub(crate) fn in_bindings(wit: &str) -> String {
    if RUST_WORDS.contains(&wit) { format!("{wit}_") } else { wit.to_snake_case() }
}

/// The identifier of a type in the bindings.
pub(crate) fn type_in_bindings(wit: &str) -> String {
    // `Guest` is the trait.
    if wit == "guest" { "Guest_".to_owned() } else { wit.to_upper_camel_case() }
}

/// The identifier of a variant in the bindings.
pub(crate) fn case_in_bindings(wit: &str) -> String {
    wit.to_upper_camel_case()
}

/// The name of a type of the module's own, as WIT spells it.
pub(crate) fn type_name(ident: &Ident) -> String {
    ident.unraw().to_string().to_kebab_case()
}

/// Makes the name of a WIT package's namespace from that of a crate.
pub(crate) fn namespace(crate_name: &str) -> String {
    let name = crate_name.replace(|c: char| !c.is_ascii(), "").to_kebab_case();
    // The host takes interfaces of these for its own and WASI's, and for no classes.
    let is_taken = ["wasi", "wasmhost", "wasmtime"].contains(&name.as_str());
    if is_taken || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return format!("app-{name}").trim_end_matches('-').to_owned();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_each_side_spells_them() {
        let mut problems = Problems::default();
        for (rust, wit, bindings) in [
            ("generate", "generate", "generate"),
            ("max_words", "max-words", "max_words"),
            ("r#loop", "loop", "loop_"),
            ("_unused", "unused", "unused"),
            ("x2_y", "x2-y", "x2_y"),
        ] {
            let name = name(&syn::parse_str(rust).unwrap(), &mut problems);
            assert_eq!((name.wit.as_str(), in_bindings(&name.wit).as_str()), (wit, bindings));
        }
        assert!(problems.is_empty());
        assert_eq!(in_wit("list"), "%list");
        assert_eq!(type_in_bindings("http-error"), "HttpError");
        assert_eq!((type_in_bindings("guest").as_str(), case_in_bindings("guest").as_str()), ("Guest_", "Guest"));
    }

    #[test]
    fn a_name_that_wit_cannot_spell_is_a_mistake() {
        for bad in ["größe", "_", "_1"] {
            let mut problems = Problems::default();
            name(&Ident::new(bad, proc_macro2::Span::call_site()), &mut problems);
            assert!(problems.messages()[0].contains("ASCII letters"), "{bad}");
        }
    }

    #[test]
    fn every_crate_has_a_namespace_of_its_own_kind() {
        for (name, expected) in [("my_app", "my-app"), ("wasmhost", "app-wasmhost"), ("7up", "app-7up"), ("ö", "app")]
        {
            assert_eq!(namespace(name), expected);
        }
    }
}
