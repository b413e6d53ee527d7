//! The usage line and the help of a target, made from its own types.

use std::fmt::Write as _;

use super::target::{Named, Target};
use crate::service::Argument;

/// Columns that help texts are written for.
const WIDTH: usize = 100;

/// One line: how the target is called.
pub(super) fn line(target: &Target<'_>, named: &Named) -> String {
    let source = target.source;
    match named {
        Named::Command(_) => format!("usage: wasmhost run {source} [-- ARGUMENT...]"),
        Named::Main(main) => format!("usage: wasmhost run {source}{}", options(main.arguments())),
        Named::Method(class, name) => {
            let arguments = class.method(name).map(|method| method.arguments()).unwrap_or_default();
            let options = options(class.parameters().chain(arguments));
            format!("usage: wasmhost run {source}::{}.{name}{options}", class.name())
        }
    }
}

/// All there is to say about a target.
pub(super) fn help(target: &Target<'_>, named: &Named) -> String {
    let mut text = String::new();
    match named {
        Named::Command(_) => {
            let _ =
                writeln!(text, "A command: it takes its arguments as they are, after `--`.\n\n{}", line(target, named));
        }
        Named::Main(main) => {
            add_docs(&mut text, main.docs());
            let _ = writeln!(text, "{}\n\n  {}", line(target, named), main.signature());
            add_section(&mut text, "Arguments", &main.arguments());
        }
        Named::Method(class, name) => {
            let Ok(method) = class.method(name) else { return text };
            add_docs(&mut text, method.docs().or(class.docs()));
            let _ = writeln!(text, "{}\n\n  {}", line(target, named), method.signature());
            let parameters: Vec<_> = class.parameters().collect();
            add_section(&mut text, &format!("Parameters of {} (they choose the instance)", class.name()), &parameters);
            add_section(&mut text, &format!("Arguments of {name}"), &method.arguments());
            if let Some(web) = method.web() {
                let _ = writeln!(text, "\nOnce served it answers {web}.");
            }
        }
    }
    text.push_str("\nOther options:\n  --args FILE  Take names and values from a JSON object, `-` for standard input\n  -h, --help   Print this\n");
    text
}

fn options<'a>(arguments: impl IntoIterator<Item = Argument<'a>>) -> String {
    let options = arguments.into_iter().map(|argument| {
        let option = match argument.r#type.as_str() {
            "bool" => format!("--{}", argument.name),
            ty => format!("--{} <{}>", argument.name, brief(ty)),
        };
        if argument.required { format!(" {option}") } else { format!(" [{option}]") }
    });
    options.collect()
}

/// A type short enough for a usage line: records and the like are named by their kind.
fn brief(ty: &str) -> &str {
    if ty.len() <= 24 { ty } else { ty.split([' ', '<']).next().unwrap_or(ty) }
}

fn add_docs(text: &mut String, docs: Option<&str>) {
    if let Some(docs) = docs {
        let _ = writeln!(text, "{}\n", docs.trim());
    }
}

fn add_section(text: &mut String, heading: &str, arguments: &[Argument<'_>]) {
    if arguments.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}:");
    let left: Vec<_> = arguments.iter().map(|argument| format!("--{} <{}>", argument.name, argument.r#type)).collect();
    let column = left.iter().map(String::len).filter(|len| *len <= WIDTH / 3).max().unwrap_or(0) + 4;
    for (argument, left) in arguments.iter().zip(&left) {
        let mut words = vec![match argument.docs {
            Some(docs) => format!("{} ({})", docs.trim().trim_end_matches('.'), argument.needs),
            None => argument.needs.clone(),
        }];
        match &argument.default {
            Some(default) => words.push(format!("[default: {default}]")),
            None if !argument.required => words.push("[may be left out]".to_owned()),
            None => {}
        }
        let right = words.join(" ");
        let gap = if left.len() + 4 <= column {
            " ".repeat(column - left.len() - 2)
        } else {
            format!("\n{}", " ".repeat(column))
        };
        let _ = writeln!(text, "  {left}{gap}{right}");
    }
}
