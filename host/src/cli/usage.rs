//! The usage line and the help of a target, made from its own types.

use std::fmt::Write as _;

use super::options::{Takes, is_flag};
use crate::api::CallableClass;
use crate::service::{ArgumentReport, FunctionReport};

/// Columns that help texts are written for.
const WIDTH: usize = 100;

/// What there is to say about a target.
#[derive(Debug)]
pub(super) struct Usage<'a> {
    /// The command up to the target's own options: `wasmhost run app::class.method`.
    pub(super) command: String,
    pub(super) docs: Option<&'a str>,
    /// The function as WIT writes it.
    pub(super) signature: &'a str,
    /// The class and the method; an entrypoint has neither.
    pub(super) names: Option<(&'a str, &'a str)>,
    pub(super) takes: Takes<'a>,
    pub(super) web: Option<&'a str>,
}

impl<'a> Usage<'a> {
    /// `prefix` is the command up to the class, `wasmhost call app/` for example.
    pub(super) fn of_method(prefix: &str, class: &'a CallableClass, method: &'a FunctionReport) -> Self {
        Self {
            command: format!("{prefix}{}.{}", class.name, method.name),
            docs: method.docs.as_deref().or(class.docs.as_deref()),
            signature: &method.signature,
            names: Some((&class.name, &method.name)),
            takes: Takes { parameters: &class.parameters, arguments: &method.arguments },
            web: method.web.as_deref(),
        }
    }

    /// The same for an entrypoint, which has no class.
    pub(super) fn of_main(command: String, main: &'a FunctionReport) -> Self {
        Self {
            command,
            docs: main.docs.as_deref(),
            signature: &main.signature,
            names: None,
            takes: Takes { parameters: &[], arguments: &main.arguments },
            web: None,
        }
    }

    /// One line: how the target is called.
    pub(super) fn line(&self) -> String {
        format!("usage: {}{}", self.command, options(self.takes.all()))
    }

    /// All there is to say.
    pub(super) fn help(&self) -> String {
        let mut text = String::new();
        if let Some(docs) = self.docs {
            let _ = writeln!(text, "{}\n", docs.trim());
        }
        let _ = writeln!(text, "{}\n\n  {}", self.line(), self.signature);
        match self.names {
            Some((class, method)) => {
                let heading = format!("Parameters of {class} (they choose the instance)");
                add_section(&mut text, &heading, self.takes.parameters);
                add_section(&mut text, &format!("Arguments of {method}"), self.takes.arguments);
            }
            None => add_section(&mut text, "Arguments", self.takes.arguments),
        }
        if let Some(web) = self.web {
            let _ = writeln!(text, "\nOnce served it answers {web}.");
        }
        text + OTHER_OPTIONS
    }
}

const OTHER_OPTIONS: &str = "
Other options:
  --args FILE  Take names and values from a JSON object, `-` for standard input
  -h, --help   Print this
";

fn options<'a>(arguments: impl Iterator<Item = &'a ArgumentReport>) -> String {
    let options = arguments.map(|argument| {
        let option = spelled(argument, brief(&argument.r#type));
        if argument.required { format!(" {option}") } else { format!(" [{option}]") }
    });
    options.collect()
}

/// An option with what stands behind it: a type, or nothing behind a flag, which has two names instead.
fn spelled(argument: &ArgumentReport, ty: &str) -> String {
    let name = &argument.name;
    if is_flag(argument) { format!("--{name}|--no-{name}") } else { format!("--{name} <{ty}>") }
}

/// A type short enough for a usage line: records and the like are named by their kind.
fn brief(ty: &str) -> &str {
    if ty.len() <= 24 { ty } else { ty.split([' ', '<']).next().unwrap_or(ty) }
}

fn add_section(text: &mut String, heading: &str, arguments: &[ArgumentReport]) {
    if arguments.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}:");
    let left: Vec<_> = arguments.iter().map(|argument| spelled(argument, &argument.r#type)).collect();
    let column = left.iter().map(String::len).filter(|len| *len <= WIDTH / 3).max().unwrap_or(0) + 4;
    for (argument, left) in arguments.iter().zip(&left) {
        let mut words = vec![match &argument.docs {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_two_names_in_the_usage_line_and_in_the_help() {
        let argument = |name: &str, ty: &str, required| ArgumentReport {
            name: name.to_owned(),
            r#type: ty.to_owned(),
            needs: if ty == "bool" { "true or false" } else { "a string" }.to_owned(),
            default: None,
            required,
            docs: None,
        };
        let arguments =
            [argument("fail", "bool", true), argument("loud", "bool", false), argument("b", "string", true)];
        let takes = Takes { parameters: &[], arguments: &arguments };
        let usage = Usage { command: "run".into(), docs: None, signature: "f", names: None, takes, web: None };
        assert_eq!(usage.line(), "usage: run --fail|--no-fail [--loud|--no-loud] --b <string>");
        let help = usage.help();
        assert!(
            help.contains("\n  --fail|--no-fail  true or false\n") && help.contains("\n  --b <string>  "),
            "{help}"
        );
    }
}
