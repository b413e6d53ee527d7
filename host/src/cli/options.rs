//! The guest's own options: `--name value`, `--name=value`, `--flag`, `--no-flag`, `--args FILE`, `--help`.
//!
//! Parameters of the class and arguments of the method share one set of names; which is which is settled by the class.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;

use serde_json::value::RawValue;

use super::args::is_of_a_verb_with_target;
use crate::api::Members;
use crate::error::Error;
use crate::service::ArgumentReport;
use crate::values::{Limits, Signature, Source, Value, ValueError, ValueErrorKind, same};

/// What a target takes: a class's parameters and a method's arguments, or an entrypoint's arguments alone. The
/// description is the same whether the target is loaded here or in a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes<'a> {
    pub(super) parameters: &'a [ArgumentReport],
    pub(super) arguments: &'a [ArgumentReport],
}

/// Options as they were given, in the order in which they were given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// `--help` was among them.
    Help,
    /// Names and values.
    Options(Vec<(String, Text)>),
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// On the command line.
    Shell(String),
    /// In a JSON document.
    Json(String),
}

impl<'a> Takes<'a> {
    /// Takes the options apart.
    ///
    /// # Errors
    ///
    /// `bad-request` for an unknown name, a name given twice or missing, a missing value, or anything that is no option.
    pub(super) fn parse(&self, words: &[OsString]) -> Result<Given, Error> {
        let mut options = Vec::new();
        let mut words = words.iter().map(|word| word.to_str().ok_or(word)).peekable();
        while let Some(word) = words.next() {
            let word = word.map_err(|word| Error::bad_request(format!("`{}` is not UTF-8", word.display())))?;
            if word == "--help" || word == "-h" {
                return Ok(Given::Help);
            }
            let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty()) else {
                return Err(Error::bad_request(format!("unexpected `{word}`: arguments are given as `--name value`")));
            };
            let (name, inline) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let mut value = |needs: &str| match (&inline, words.peek()) {
                (Some(value), _) => Ok(value.clone()),
                (None, Some(Ok(next))) if !next.starts_with("--") => {
                    let next = (*next).to_owned();
                    words.next();
                    Ok(next)
                }
                (None, Some(Ok(next))) => Err(Error::bad_request(format!(
                    "`--{name}` needs {needs}, got `{next}`; if that is the value, write `--{name}={next}`"
                ))),
                (None, _) => Err(Error::bad_request(format!("`--{name}` needs {needs}, got nothing"))),
            };
            match self.find(name) {
                Some(argument) if is_flag(argument) => {
                    options.push((name.to_owned(), Text::Shell(inline.unwrap_or_else(|| "true".to_owned()))));
                }
                Some(argument) => options.push((name.to_owned(), Text::Shell(value(&argument.needs)?))),
                None if name == "args" => options.extend(read_document(&value("a file with a JSON object, or `-`")?)?),
                None => match name.strip_prefix("no-").filter(|flag| self.find(flag).is_some_and(is_flag)) {
                    Some(flag) if inline.is_none() => options.push((flag.to_owned(), Text::Shell("false".to_owned()))),
                    Some(_) => return Err(Error::bad_request(format!("`--{name}` takes no value"))),
                    None => return Err(self.unknown(name)),
                },
            }
        }
        let mut seen = HashSet::new();
        if let Some((name, _)) = options.iter().find(|(name, _)| !seen.insert(name.replace('_', "-"))) {
            return Err(Error::bad_request(format!("`--{name}` is given twice")));
        }
        self.check_complete(&options)?;
        Ok(Given::Options(options))
    }

    /// Whether an option is a parameter of the class, and not an argument of the method.
    pub(super) fn is_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| same(&parameter.name, name))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a ArgumentReport> + use<'a> {
        self.parameters.iter().chain(self.arguments)
    }

    fn check_complete(&self, options: &[(String, Text)]) -> Result<(), Error> {
        let is_given = |argument: &&ArgumentReport| options.iter().any(|(name, _)| same(&argument.name, name));
        let missing = self.all().filter(|argument| argument.required && !is_given(argument));
        let missing = missing.map(|argument| match (is_flag(argument), &argument.name) {
            (true, name) => format!("`--{name}` or `--no-{name}`"),
            (false, name) => format!("`--{name}` ({})", argument.needs),
        });
        let missing: Vec<_> = missing.collect();
        match &missing[..] {
            [] => Ok(()),
            missing => Err(Error::bad_request(format!("missing {}", missing.join(", ")))),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        if is_of_a_verb_with_target(name) {
            return Error::bad_request(format!(
                "`--{name}` is an option of `wasmhost` itself, and stands before the target"
            ));
        }
        let known: Vec<_> = self.all().map(|argument| format!("--{}", argument.name)).collect();
        let error =
            crate::service::unknown(format!("unknown option `--{name}`"), &format!("--{name}"), &known, "options");
        Error::bad_request(error.message())
    }

    fn find(&self, name: &str) -> Option<&'a ArgumentReport> {
        self.all().find(|argument| same(&argument.name, name))
    }
}

pub(super) fn is_flag(argument: &ArgumentReport) -> bool {
    argument.r#type == "bool"
}

/// Reads the values of those options that a signature has, and fills in defaults.
///
/// # Errors
///
/// `bad-request` or `too-large`, naming the option, what it needs and what was got.
pub(super) fn read(signature: &Signature, limits: &Limits, options: &[(String, Text)]) -> Result<Vec<Value>, Error> {
    let mine = options.iter().filter(|(name, _)| signature.shape(name).is_some());
    let sources = mine.map(|(name, text)| {
        let source = match text {
            Text::Shell(text) => Source::Shell(text),
            Text::Json(text) => Source::Json(text.as_bytes()),
        };
        (name, source)
    });
    signature.from_named(sources, limits).map_err(as_option)
}

/// An error about a value, told about its option.
fn as_option(error: ValueError) -> Error {
    let is_of_option = !error.path().is_empty() && error.kind() != ValueErrorKind::Unknown;
    let of_option = is_of_option.then(|| format!("`--{}` {}", error.path(), error.message()));
    let told = Error::from(error);
    of_option.map_or(told.clone(), |message| told.with_message(message))
}

/// The members of a JSON object, as text, in their order; nothing is lost when a name stands there twice.
fn read_document(file: &str) -> Result<Vec<(String, Text)>, Error> {
    let what = || if file == "-" { "standard input".to_owned() } else { format!("`--args {file}`") };
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Error::io(what(), error))?;
    let members: Members<Box<RawValue>> = serde_json::from_str(&text)
        .map_err(|error| Error::bad_request(format!("{} needs a JSON object with the arguments: {error}", what())))?;
    Ok(members.0.into_iter().map(|(name, value)| (name, Text::Json(value.get().to_owned()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::shape::Int;
    use crate::values::{Shape, What, describe};

    fn signatures() -> (Signature, Signature) {
        let mut parameters =
            Signature::from_shapes(What::Parameter, [("foo", Shape::String), ("bar", Shape::Int(Int::S64))]);
        parameters.set_default("bar", &10, &Limits::default()).unwrap();
        let arguments = Signature::from_shapes(
            What::Argument,
            [
                ("loud", Shape::Bool),
                ("tags", Shape::List(Box::new(Shape::String))),
                ("note", Shape::Option(Box::new(Shape::String))),
            ],
        );
        (parameters, arguments)
    }

    fn described(signature: &Signature) -> Vec<ArgumentReport> {
        let described = signature.iter().map(|(name, shape)| ArgumentReport {
            name: name.to_owned(),
            r#type: describe::wit(shape),
            needs: describe::plain(shape),
            default: None,
            required: !shape.is_option() && signature.default_of(name).is_none(),
            docs: None,
        });
        described.collect()
    }

    fn read(words: &[&str]) -> Result<(String, String), String> {
        let (parameters, arguments) = signatures();
        let described = (described(&parameters), described(&arguments));
        let takes = Takes { parameters: &described.0, arguments: &described.1 };
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let Given::Options(options) = takes.parse(&words).map_err(|error| error.to_string())? else {
            return Err("help".to_owned());
        };
        let print = |signature| -> Result<String, String> {
            let values = super::read(signature, &Limits::default(), &options).map_err(|error| error.to_string())?;
            Ok(values.iter().map(crate::values::wave::write).collect::<Vec<_>>().join(" "))
        };
        Ok((print(&parameters)?, print(&arguments)?))
    }

    #[test]
    fn every_spelling_of_an_option_is_read() {
        let expected = Ok(("\"a\" 7".to_owned(), "true [\"x\"] none".to_owned()));
        assert_eq!(read(&["--foo", "a", "--bar=7", "--loud", "--tags", "[\"x\"]"]), expected);
        assert_eq!(read(&["--tags=[\"x\"]", "--loud=true", "--bar", "7", "--foo=a"]), expected);
        assert_eq!(read(&["--no-loud", "--foo", "", "--tags", "[]"]).unwrap().1, "false [] none");
        assert_eq!(read(&["--foo", "a", "--bar", "-7", "--loud", "--tags", "[]"]).unwrap().0, "\"a\" -7");
    }

    #[test]
    fn a_mistake_names_the_option_what_it_needs_and_what_it_got() {
        let error = read(&["--foo", "a", "--bar", "seven", "--loud", "--tags", "[]"]).unwrap_err();
        assert!(error.starts_with("`--bar` needs a whole number from "), "{error}");
        assert!(error.ends_with("got \"seven\""), "{error}");

        let error = read(&["--loud", "--tags", "[]"]).unwrap_err();
        assert!(
            error.starts_with("missing `--foo` (") && !error.contains("--bar") && !error.contains("--note"),
            "{error}"
        );

        let error = read(&["--foo", "a", "--tags", "[]"]).unwrap_err();
        assert_eq!(error, "missing `--loud` or `--no-loud`");

        let error = read(&["--fo", "a"]).unwrap_err();
        assert_eq!(error, "unknown option `--fo`; did you mean `--foo`?");
        let error = read(&["--zzz", "1"]).unwrap_err();
        assert!(error.contains("`--zzz`") && error.contains("`--tags`"), "{error}");

        assert!(read(&["--foo"]).unwrap_err().ends_with("got nothing"));
        assert!(read(&["--foo", "--loud"]).unwrap_err().contains("`--foo=--loud`"));
        assert!(read(&["--foo", "a", "--foo", "b"]).unwrap_err().contains("given twice"));
        assert!(read(&["--no-loud=1"]).unwrap_err().contains("takes no value"));
        assert!(read(&["a"]).unwrap_err().contains("`--name value`"));
        assert!(read(&["--"]).unwrap_err().contains("`--name value`"));
    }

    #[test]
    fn help_wins_over_everything() {
        assert_eq!(read(&["--help"]).unwrap_err(), "help");
        assert_eq!(read(&["--foo", "x", "-h", "--zzz"]).unwrap_err(), "help");
    }

    #[test]
    fn a_document_gives_names_like_options_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"foo": "a", "tags": ["x"], "loud": false}"#).unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(read(&["--args", path, "--bar", "1"]), Ok(("\"a\" 1".to_owned(), "false [\"x\"] none".to_owned())));
        assert!(read(&["--args", path, "--foo", "b"]).unwrap_err().contains("`--foo` is given twice"));
        std::fs::write(file.path(), r#"{"foo": 1, "foo": 2}"#).unwrap();
        assert!(read(&["--args", path]).unwrap_err().contains("given twice"));
        std::fs::write(file.path(), "[]").unwrap();
        assert!(read(&["--args", path]).unwrap_err().contains("needs a JSON object"));
    }
}
