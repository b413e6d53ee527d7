//! What one request brings: the parameters of a class and the arguments of a method, mixed, by name.
//!
//! No name is both, which is settled when a class is loaded, so each finds its place. Like everything in values this knows no
//! HTTP: it is handed names with texts, and JSON documents.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::arguments::Given;
use super::error::{Got, Path, ValueError, ValueErrorKind};
use super::names::Names;
use super::{Limits, Signature, Value, json, literal};

/// The place of a name among parameters and arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Parameter(usize),
    Argument(usize),
}

impl Place {
    /// Finds a name, with `_` = `-`.
    pub(crate) fn of(name: &str, parameters: &Signature, arguments: &Signature) -> Option<Self> {
        let parameter = parameters.names.position(name).map(Self::Parameter);
        parameter.or_else(|| arguments.names.position(name).map(Self::Argument))
    }
}

/// The parameters and arguments given so far.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    parameters: Given<'a>,
    arguments: Given<'a>,
    limits: &'a Limits,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(parameters: &'a Signature, arguments: &'a Signature, limits: &'a Limits) -> Self {
        Self { parameters: Given::new(parameters), arguments: Given::new(arguments), limits }
    }

    /// Takes a value as it stands in a query or a path, decoded: scalars and strings literally, the rest as JSON.
    ///
    /// # Errors
    /// For a name that is unknown or was given before, and a text that does not fit.
    pub(crate) fn take_query(&mut self, name: &str, text: &str) -> Result<(), ValueError> {
        let place = self.place(name)?;
        self.put_query(place, text)
    }

    /// Like [`Inputs::take_query`], where the name's place is known.
    ///
    /// # Errors
    /// As [`Inputs::take_query`].
    pub(crate) fn put_query(&mut self, place: Place, text: &str) -> Result<(), ValueError> {
        let limits = self.limits;
        self.put(place, |shape, path| literal::from_query(text, shape, limits, path))
    }

    /// Takes the members of a JSON object.
    ///
    /// # Errors
    /// If the text is no JSON object; for a member as for [`Inputs::take_query`].
    pub(crate) fn take_object(&mut self, text: &[u8]) -> Result<(), ValueError> {
        let mut failed = None;
        let mut json = serde_json::Deserializer::from_slice(text);
        let taken = json.deserialize_any(Members { inputs: self, failed: &mut failed }).and_then(|()| json.end());
        match (failed, taken) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) if error.is_data() => {
                Err(ValueError::new(ValueErrorKind::IllTyped, &Path::Root, format!("the body {error}")))
            }
            (None, Err(error)) => {
                Err(ValueError::new(ValueErrorKind::Syntax, &Path::Root, format!("the body is not JSON: {error}")))
            }
        }
    }

    /// Fills in defaults, then `none`, and gives parameters and arguments in the order of their declarations.
    ///
    /// # Errors
    /// For names without a value, all of them.
    pub(crate) fn finish(self) -> Result<(Vec<Value>, Vec<Value>), ValueError> {
        match (self.parameters.finish(), self.arguments.finish()) {
            (Ok(parameters), Ok(arguments)) => Ok((parameters, arguments)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(parameters), Err(arguments)) => {
                let message = format!("{parameters}; {arguments}");
                Err(ValueError::new(ValueErrorKind::Missing, &Path::Root, message))
            }
        }
    }

    fn place(&self, name: &str) -> Result<Place, ValueError> {
        let (parameters, arguments) = (self.parameters.signature, self.arguments.signature);
        Place::of(name, parameters, arguments).ok_or_else(|| {
            let known: Names = parameters.names.iter().chain(arguments.names.iter()).collect();
            let hint = if known.len() == 0 { "there are none".into() } else { known.hint(name) };
            let message = format!("there is no parameter or argument {}; {hint}", Got::Word(name));
            ValueError::new(ValueErrorKind::Unknown, &Path::Root, message)
        })
    }

    fn put(
        &mut self,
        place: Place,
        read: impl FnOnce(&super::Shape, Path<'_>) -> Result<Value, ValueError>,
    ) -> Result<(), ValueError> {
        let (given, index) = match place {
            Place::Parameter(index) => (&mut self.parameters, index),
            Place::Argument(index) => (&mut self.arguments, index),
        };
        let signature = given.signature;
        let name = signature.names.name(index);
        let slot = &mut given.values[index];
        if slot.is_some() {
            let message = format!("{} `{name}` is given twice", signature.what.word());
            return Err(ValueError::new(ValueErrorKind::Repeated, &Path::Root, message));
        }
        *slot = Some(read(&signature.shapes[index], Path::Name(name))?);
        Ok(())
    }
}

/// Takes the members of an object one by one, each as the text it is.
struct Members<'m, 'a> {
    inputs: &'m mut Inputs<'a>,
    /// The first error of ours: the text around it cannot carry it.
    failed: &'m mut Option<ValueError>,
}

impl<'de> Visitor<'de> for Members<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with parameters and arguments by name")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(Name(name)) = members.next_key()? {
            let text: &RawValue = members.next_value()?;
            let limits = self.inputs.limits;
            let taken = self.inputs.place(&name).and_then(|place| {
                self.inputs.put(place, |shape, path| json::read(text.get().as_bytes(), shape, limits, path))
            });
            if let Err(error) = taken {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("a member does not fit"));
            }
        }
        Ok(())
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Val;

    use super::super::What;
    use super::super::shape::{Int, Shape};
    use super::*;

    fn with<T>(f: impl FnOnce(&mut Inputs<'_>) -> Result<T, ValueError>) -> Result<(Vec<Value>, Vec<Value>), String> {
        let parameters = Signature::from_shapes(
            What::Parameter,
            [("foo", Shape::String), ("the-bar", Shape::Option(Box::new(Shape::Int(Int::U8))))],
        );
        let arguments = Signature::from_shapes(What::Argument, [("qux", Shape::List(Box::new(Shape::Bool)))]);
        let limits = Limits::default();
        let mut inputs = Inputs::new(&parameters, &arguments, &limits);
        f(&mut inputs).and_then(|_| inputs.finish()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_find_their_places_whatever_they_came_in() {
        let (parameters, arguments) = with(|inputs| {
            inputs.take_query("the_bar", "7")?;
            inputs.take_object(br#"{"f\u006fo": "x"}"#)?;
            inputs.put_query(Place::Argument(0), "[true]")
        })
        .unwrap();
        let bar = Val::Option(Some(Box::new(Val::U8(7))));
        assert_eq!(parameters, [Value::Val(Val::String("x".into())), Value::Val(bar)]);
        assert_eq!(arguments, [Value::Val(Val::List(vec![Val::Bool(true)]))]);
    }

    #[test]
    fn a_name_is_given_once_wherever_it_stands() {
        for error in [
            with(|inputs| inputs.take_query("foo", "x").and_then(|()| inputs.take_query("foo", "x"))),
            with(|inputs| inputs.take_query("foo", "x").and_then(|()| inputs.take_object(br#"{"foo":"x"}"#))),
            with(|inputs| inputs.take_object(br#"{"foo":"x","foo":"x"}"#)),
        ] {
            assert_eq!(error.unwrap_err(), "parameter `foo` is given twice");
        }
    }

    #[test]
    fn an_unknown_name_is_told_those_of_both_kinds() {
        let error = with(|inputs| inputs.take_query("fooo", "x")).unwrap_err();
        assert_eq!(
            error,
            "there is no parameter or argument `fooo`; did you mean `foo`? known: `foo`, `the-bar`, `qux`"
        );
    }

    #[test]
    fn all_that_is_missing_is_named() {
        let error = with(|_| Ok(())).unwrap_err();
        assert_eq!(error, "missing parameter `foo` (a string); missing argument `qux` (a list (`list<bool>`))");
    }

    #[test]
    fn a_body_is_an_object() {
        for (body, says) in [
            (&b"[1]"[..], "expected an object with parameters and arguments by name"),
            (b"{\"foo\":", "the body is not JSON"),
            (b"{} {}", "the body is not JSON"),
            (b"{\"foo\": 5}", "`foo` needs a string, got `5`"),
        ] {
            let error = with(|inputs| inputs.take_object(body)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
