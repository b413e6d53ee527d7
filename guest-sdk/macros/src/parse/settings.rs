//! The settings in `#[class(memory = "256MiB", max_instances = 8)]`.
//!
//! The table knows which settings a class can give of itself and what kind of value each has. Ranges, and what settings
//! mean to one another, are the host's: it checks them when it loads the component, and names them as the manifest
//! does.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use serde_json::{Map, Value as Json};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, Meta, Token};

use super::default::text;
use super::types::spelled;
use crate::model::Setting;
use crate::problems::Problems;

/// What kind of value a setting has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Size,
    Time,
    Count,
    /// A count, or a text with a range of them.
    Counts,
    Bool,
    Texts,
    OneOf(&'static [&'static str]),
    /// `"*"`, or a list of texts.
    Origins,
    Env,
}

/// Each setting that a class can give of itself, as the manifest spells it.
const SETTINGS: &[(&str, Kind)] = &[
    ("memory", Kind::Size),
    ("build-timeout", Kind::Time),
    ("enter-timeout", Kind::Time),
    ("timeout", Kind::Time),
    ("exit-timeout", Kind::Time),
    ("min-instances", Kind::Count),
    ("buffer-instances", Kind::Count),
    ("max-instances", Kind::Count),
    ("idle-timeout", Kind::Time),
    ("max-calls", Kind::Counts),
    ("concurrency", Kind::Count),
    ("max-waiting", Kind::Count),
    ("wait-timeout", Kind::Time),
    ("snapshot", Kind::OneOf(&["build", "enter", "off"])),
    ("env", Kind::Env),
    ("allow-outbound", Kind::Texts),
    ("allow-calls", Kind::Texts),
    ("reuse", Kind::Bool),
    ("tmp", Kind::Size),
    ("max-list", Kind::Count),
    ("cors", Kind::Origins),
    ("default", Kind::Bool),
];

/// Those of an entrypoint.
const OF_MAIN: &[&str] = &["memory", "tmp", "env", "allow-outbound", "allow-calls", "build-timeout", "max-list"];

/// Settings of a manifest that a class has another way to give, or none.
const ELSEWHERE: &[(&str, &str)] = &[
    ("files", "write them in `wasmhost.toml`, beside the files"),
    ("mounts", "write them in `wasmhost.toml`: what a class sees of the machine is not its own to say"),
    ("parameters", "put `#[default(…)]` on the argument of the `#[enter]` function"),
    ("method", "put `#[default(…)]` on the argument, and `#[get(\"…\")]` on the method"),
    ("hooks", "put `#[build]`, `#[enter]` and `#[exit]` on functions"),
    ("docs", "write a doc comment"),
    ("cpu", "a share of the CPU cannot be enforced inside of one process"),
];

const SIZE_UNITS: &[&str] = &["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"];
const TIME_UNITS: &[&str] = &["ms", "s", "m", "h", "d"];

/// Reads the arguments of the attribute.
pub(crate) fn settings(arguments: TokenStream, problems: &mut Problems) -> Vec<Setting> {
    let parsed = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments);
    let metas = match parsed {
        Ok(metas) => metas,
        Err(error) => {
            problems.take(error);
            return Vec::new();
        }
    };
    let mut settings: Vec<Setting> = Vec::new();
    for meta in metas {
        let Some(setting) = setting(&meta, problems) else { continue };
        if settings.iter().any(|earlier| earlier.key == setting.key) {
            problems.on(meta.path(), format!("`{}` is given twice; keep one of them", spelled(meta.path())));
        } else {
            settings.push(setting);
        }
    }
    settings
}

/// Reads the arguments of `#[main]`: of a class's settings, those that matter to what runs once and as long as it
/// likes.
pub(crate) fn of_main(arguments: TokenStream, problems: &mut Problems) -> Vec<Setting> {
    let mut settings = settings(arguments, problems);
    settings.retain(|setting| {
        let matters = OF_MAIN.contains(&setting.key);
        if !matters {
            let known: Vec<_> = OF_MAIN.iter().map(|key| format!("`{}`", key.replace('-', "_"))).collect();
            let message = format!(
                "`{}` has no effect on an entrypoint, which runs once and for as long as it likes; it has {}",
                setting.key.replace('-', "_"),
                known.join(", ")
            );
            problems.on(&setting.written, message);
        }
        matters
    });
    settings
}

fn setting(meta: &Meta, problems: &mut Problems) -> Option<Setting> {
    let written = spelled(meta.path());
    let key = written.replace('_', "-");
    let Some((key, kind)) = SETTINGS.iter().find(|(known, _)| *known == key) else {
        problems.on(meta.path(), unknown(&written, &key));
        return None;
    };
    match value(meta, *kind) {
        Ok(value) => Some(Setting { key, value, written: meta.to_token_stream() }),
        Err(expected) => {
            problems.on(meta, format!("`{written}` is {expected}"));
            None
        }
    }
}

fn unknown(written: &str, key: &str) -> String {
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(known, _)| *known == key) {
        return format!("`{written}` is no setting of the attribute; {instead}");
    }
    let distance = |known: &str| strsim::damerau_levenshtein(known, key);
    let nearest = SETTINGS.iter().map(|(known, _)| *known).min_by_key(|known| distance(known));
    match nearest.filter(|known| distance(known) <= 3) {
        Some(known) => format!("there is no setting `{written}`; did you mean `{}`?", known.replace('-', "_")),
        None => {
            let known: Vec<_> = SETTINGS.iter().map(|(known, _)| format!("`{}`", known.replace('-', "_"))).collect();
            format!("there is no setting `{written}`; there are {}", known.join(", "))
        }
    }
}

/// The value of a setting, or what it would have to be.
fn value(meta: &Meta, kind: Kind) -> Result<Json, &'static str> {
    let expected = match kind {
        Kind::Size => "a size, such as `\"256MiB\"`",
        Kind::Time => "a time, such as `\"30s\"`",
        Kind::Count => "a whole number",
        Kind::Counts => "a whole number, or a range in quotes, such as `\"50..100\"`",
        Kind::Bool => "`true` or `false`",
        Kind::Texts => "a list of texts, such as `[\"https://api.example.com\"]`",
        Kind::OneOf(_) => "`\"build\"`, `\"enter\"` or `\"off\"`",
        Kind::Origins => "`\"*\"`, or a list, such as `[\"https://app.example.com\"]`",
        Kind::Env => "written as `env(GREETING = \"hi\")`",
    };
    let value = match (kind, meta) {
        (Kind::Bool, Meta::Path(_)) => Some(Json::Bool(true)),
        (Kind::Env, Meta::List(list)) => env(list.tokens.clone()),
        (Kind::Env, _) => None,
        (_, Meta::NameValue(pair)) => plain_value(&pair.value, kind),
        _ => None,
    };
    value.ok_or(expected)
}

fn plain_value(written: &Expr, kind: Kind) -> Option<Json> {
    match kind {
        Kind::Size => text(written).filter(|text| is_quantity(text, SIZE_UNITS)).map(Json::from),
        Kind::Time => text(written).filter(|text| is_quantity(text, TIME_UNITS)).map(Json::from),
        Kind::Count => count(written),
        Kind::Counts => count(written).or_else(|| text(written).filter(|text| is_range(text)).map(Json::from)),
        Kind::Bool => match literal(written)? {
            Lit::Bool(bool) => Some(Json::Bool(bool.value)),
            _ => None,
        },
        Kind::Texts => texts(written),
        Kind::OneOf(known) => text(written).filter(|text| known.contains(&text.as_str())).map(Json::from),
        Kind::Origins => texts(written).or_else(|| text(written).filter(|text| text == "*").map(Json::from)),
        Kind::Env => None,
    }
}

fn literal(written: &Expr) -> Option<&Lit> {
    match written {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

fn count(written: &Expr) -> Option<Json> {
    match literal(written)? {
        Lit::Int(number) => number.base10_parse::<u32>().ok().map(Json::from),
        _ => None,
    }
}

fn texts(written: &Expr) -> Option<Json> {
    let Expr::Array(array) = written else { return None };
    array.elems.iter().map(|element| text(element).map(Json::from)).collect::<Option<Vec<_>>>().map(Json::Array)
}

fn env(tokens: TokenStream) -> Option<Json> {
    let pairs = Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated.parse2(tokens).ok()?;
    let pairs = pairs.iter().map(|pair| Some((pair.path.get_ident()?.to_string(), Json::from(text(&pair.value)?))));
    pairs.collect::<Option<Map<_, _>>>().map(Json::Object)
}

fn is_quantity(text: &str, units: &[&str]) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && units.contains(&&text[digits..])
}

fn is_range(text: &str) -> bool {
    let parsed = text.split_once("..").map(|(least, most)| (least.parse::<u32>(), most.parse::<u32>()));
    matches!(parsed, Some((Ok(least), Ok(most))) if least <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use serde_json::json;

    fn read(tokens: TokenStream) -> (Vec<(&'static str, Json)>, Vec<String>) {
        let mut problems = Problems::default();
        let settings = settings(tokens, &mut problems);
        (settings.into_iter().map(|setting| (setting.key, setting.value)).collect(), problems.messages())
    }

    #[test]
    fn settings_become_what_the_manifest_says() {
        let (settings, problems) = read(quote! {
            memory = "256MiB", max_instances = 8, timeout = "5s", reuse, default = false, max_calls = "50..100",
            env(GREETING = "hi"), allow_outbound = ["tcp://db:5432"], cors = "*", snapshot = "off",
        });
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            settings,
            [
                ("memory", json!("256MiB")),
                ("max-instances", json!(8)),
                ("timeout", json!("5s")),
                ("reuse", json!(true)),
                ("default", json!(false)),
                ("max-calls", json!("50..100")),
                ("env", json!({ "GREETING": "hi" })),
                ("allow-outbound", json!(["tcp://db:5432"])),
                ("cors", json!("*")),
                ("snapshot", json!("off")),
            ]
        );
    }

    #[test]
    fn mistakes_say_what_is_meant() {
        let (settings, problems) = read(quote! {
            memory = 256, max_instance = 8, files = [], timeout = "5",
            colour = "red", tmp = "1MiB", tmp = "2MiB", snapshot = "on"
        });
        assert_eq!(settings.len(), 1);
        for (problem, expected) in problems.iter().zip([
            "such as `\"256MiB\"`",
            "did you mean `max_instances`?",
            "write them in `wasmhost.toml`",
            "such as `\"30s\"`",
            "there are `memory`",
            "given twice",
            "`\"off\"`",
        ]) {
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(problems.len(), 7);
    }
}
