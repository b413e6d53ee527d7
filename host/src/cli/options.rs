//! The guest's own options: `--name value`, `--name=value`, `--flag`, `--no-flag`, `--args FILE`, `--help`.
//!
//! Parameters of the class and arguments of the method share one set of names; which is which is settled by the class.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;

use serde_json::value::RawValue;

use crate::error::Error;
use crate::values::{Limits, Shape, Signature, Source, Value, ValueError, ValueErrorKind};

/// What a target takes: a class's parameters and a method's arguments, or an entrypoint's arguments alone.
#[derive(Debug)]
pub(super) struct Takes<'a> {
    pub(super) parameters: Option<&'a Signature>,
    pub(super) arguments: &'a Signature,
    pub(super) limits: Limits,
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

/// The values a target was given, in the order of their declarations.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) parameters: Vec<Value>,
    pub(super) arguments: Vec<Value>,
}

impl Takes<'_> {
    /// Takes the options apart.
    ///
    /// # Errors
    ///
    /// `bad-request` for an unknown name, a name given twice, a missing value, or anything that is no option.
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
            match self.shape(name) {
                Some(Shape::Bool) => {
                    options.push((name.to_owned(), Text::Shell(inline.unwrap_or_else(|| "true".to_owned()))));
                }
                Some(shape) => {
                    let text = value(&crate::values::describe::plain(shape))?;
                    options.push((name.to_owned(), Text::Shell(text)));
                }
                None if name == "args" => options.extend(read_document(&value("a file with a JSON object, or `-`")?)?),
                None => match name.strip_prefix("no-").filter(|flag| matches!(self.shape(flag), Some(Shape::Bool))) {
                    Some(flag) if inline.is_none() => options.push((flag.to_owned(), Text::Shell("false".to_owned()))),
                    Some(_) => return Err(Error::bad_request(format!("`--{name}` takes no value"))),
                    None => return Err(self.unknown(name)),
                },
            }
        }
        let mut seen = HashSet::new();
        match options.iter().find(|(name, _)| !seen.insert(name.replace('_', "-"))) {
            Some((name, _)) => Err(Error::bad_request(format!("`--{name}` is given twice"))),
            None => Ok(Given::Options(options)),
        }
    }

    /// Reads the values of options, fills in defaults and finds what is missing.
    ///
    /// # Errors
    ///
    /// `bad-request` or `too-large`, naming the option, what it needs and what was got.
    pub(super) fn read(&self, options: &[(String, Text)]) -> Result<Values, Error> {
        let missing: Vec<_> = self
            .signatures()
            .flat_map(|signature| signature.iter().map(move |(name, shape)| (signature, name, shape)))
            .filter(|(signature, name, shape)| !shape.is_option() && signature.default_of(name).is_none())
            .filter(|(_, name, _)| !options.iter().any(|(given, _)| given.replace('_', "-") == *name))
            .map(|(_, name, shape)| format!("`--{name}` ({})", crate::values::describe::plain(shape)))
            .collect();
        if !missing.is_empty() {
            return Err(Error::bad_request(format!("missing {}", missing.join(", "))));
        }
        Ok(Values {
            parameters: self.parameters.map_or(Ok(Vec::new()), |signature| self.of(signature, options))?,
            arguments: self.of(self.arguments, options)?,
        })
    }

    fn of(&self, signature: &Signature, options: &[(String, Text)]) -> Result<Vec<Value>, Error> {
        let mine = options.iter().filter(|(name, _)| signature.shape(name).is_some());
        let sources = mine.map(|(name, text)| {
            let source = match text {
                Text::Shell(text) => Source::Shell(text),
                Text::Json(text) => Source::Json(text.as_bytes()),
            };
            (name, source)
        });
        signature.from_named(sources, &self.limits).map_err(as_option)
    }

    fn unknown(&self, name: &str) -> Error {
        let known: Vec<_> = self.signatures().flat_map(|s| s.iter().map(|(name, _)| format!("--{name}"))).collect();
        let error =
            crate::service::unknown(format!("unknown option `--{name}`"), &format!("--{name}"), &known, "options");
        Error::bad_request(error.message())
    }

    fn shape(&self, name: &str) -> Option<&Shape> {
        self.signatures().find_map(|signature| signature.shape(name))
    }

    fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.parameters.into_iter().chain([self.arguments])
    }
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
    let members: Members = serde_json::from_str(&text)
        .map_err(|error| Error::bad_request(format!("{} needs a JSON object with the arguments: {error}", what())))?;
    Ok(members.0.into_iter().map(|(name, value)| (name, Text::Json(value.get().to_owned()))).collect())
}

/// A JSON object as a list of its members.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::What;
    use crate::values::shape::Int;

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

    fn read(words: &[&str]) -> Result<(String, String), String> {
        let (parameters, arguments) = signatures();
        let takes = Takes { parameters: Some(&parameters), arguments: &arguments, limits: Limits::default() };
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let Given::Options(options) = takes.parse(&words).map_err(|error| error.to_string())? else {
            return Err("help".to_owned());
        };
        let values = takes.read(&options).map_err(|error| error.to_string())?;
        let print = |values: &[Value]| values.iter().map(crate::values::wave::write).collect::<Vec<_>>().join(" ");
        Ok((print(&values.parameters), print(&values.arguments)))
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
