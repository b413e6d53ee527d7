//! Types of values.

use std::time::Duration;

use crate::json::{Reader, Unread, Writer};

mod collections;
mod scalars;

/// A type that is passed between the host and a class.
///
/// Scalars, `char`, `String`, [`Bytes`], [`Duration`], `Vec`, `Option`, `Result`, tuples, `HashMap` and `BTreeMap` are
/// values, and so is a struct or enum with `#[derive(Value)]`.
///
/// A hook or method that takes or returns such a struct or enum is in a `#[class]` module, and the type is defined in
/// the same one: that makes it a record, a variant or an enum of the class's WIT. A struct
/// around one value is that value, one of several without names is a tuple. Outside of classes, too, the derive makes a
/// type that calls by name can pass.
///
/// A [`Duration`] is a whole number of nanoseconds for callers, as durations of WASI are; a longer one than `u64`
/// holds, some 584 years, is that long.
///
/// Values are passed without a copy of their own, unless a type has to be converted: durations, structs without field
/// names, variants with several values or named ones, enums without `#[derive(Clone)]`, names that WIT spells
/// differently (`HTTPError`), and what contains one of these. Between classes they travel as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of values",
    label = "values are scalars, `String`, `char`, `Bytes`, `Duration`, `Vec`, `Option`, `Result`, tuples, `HashMap`, \
             `BTreeMap`, and types with `#[derive(Value)]`"
)]
pub trait Value: Sized {
    /// What matters to the types around it.
    #[doc(hidden)]
    const KIND: Kind = Kind::Other;

    /// Writes a value as JSON. Like the others it takes no `self`, so as to be no method of the user's types.
    #[doc(hidden)]
    fn write_json(value: &Self, json: &mut Writer);

    /// Reads a value from JSON.
    ///
    /// # Errors
    ///
    /// If there is another one.
    #[doc(hidden)]
    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread>;

    /// What the field of a record is that is not there.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }

    /// The byte that it is, of [`Kind::Byte`].
    #[doc(hidden)]
    fn to_byte(_: &Self) -> u8 {
        0
    }

    /// A byte as one of it, of [`Kind::Byte`].
    #[doc(hidden)]
    fn from_byte(_: u8) -> Option<Self> {
        None
    }
}

/// What is special about a type inside of another one.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Other,
    /// A list of it is one string, in base64.
    Byte,
    /// A map with it as the key is an object.
    Text,
    /// Inside of an option, `Some(None)` has to differ from `None`.
    Option,
}

/// Bytes: base64 in JSON. It is `Vec<u8>`, under the name that says what is meant.
///
/// The host copies them in one piece where all that a method takes, or all that it returns, is bytes and texts. Beside
/// other types, or inside of them, each byte is a value of its own, which counts 40 bytes against the 64 MiB that the
/// host lets one side of a call be: about 1.5 MB of them are the most then.
pub type Bytes = Vec<u8>;

/// Returns a duration as the host sees it.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns a field that was read, or what it is where it was not there.
///
/// # Errors
///
/// If it has to be there.
pub fn field<T: Value>(read: Option<T>, name: &str, json: &Reader<'_>) -> Result<T, Unread> {
    read.or_else(T::absent).ok_or_else(|| json.unread(format!("the field `{name}`")))
}

#[cfg(test)]
mod tests {
    use wasmhost_guest_macros::Value;

    use super::*;

    #[derive(Value, Debug, PartialEq)]
    struct Person {
        nick_name: String,
        age: Option<u8>,
        r#type: Kind,
    }

    #[derive(Value, Debug, PartialEq)]
    enum Kind {
        Nothing,
        LightBlue(Option<u8>),
        Several(u8, String),
        Named { json: u8, value: Option<bool> },
    }

    #[derive(Value, Debug, PartialEq)]
    struct Pair(Octet, bool);

    #[derive(Value, Debug, PartialEq)]
    struct Octet(u8);

    #[derive(Value, Debug, PartialEq)]
    struct Perhaps(Option<u8>);

    #[track_caller]
    fn both_ways<T: Value + PartialEq + std::fmt::Debug>(value: T, json: &str) {
        assert_eq!(Writer::text(&value), json);
        assert_eq!(Reader::text::<T>(json), Ok(value));
    }

    fn ann(age: Option<u8>) -> Person {
        Person { nick_name: "Ann".to_owned(), age, r#type: Kind::Nothing }
    }

    #[test]
    fn a_struct_is_an_object_by_its_names_in_wit() {
        both_ways(ann(None), r#"{"nick-name":"Ann","age":null,"type":"nothing"}"#);
        let newer = r#"{ "type": "nothing", "more": [{}], "nick-name": "Ann" }"#;
        assert_eq!(Reader::text(newer), Ok(ann(None)));
        let error = Reader::text::<Person>(r#"{"age":7,"type":"nothing"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the field `nick-name` is expected at byte 26");
    }

    #[test]
    fn an_enum_is_the_name_of_its_case_or_an_object_with_it() {
        both_ways(Kind::Nothing, r#""nothing""#);
        both_ways(Kind::LightBlue(None), r#"{"light-blue":null}"#);
        both_ways(vec![Kind::Several(1, "a".to_owned())], r#"[{"several":[1,"a"]}]"#);
        both_ways(vec![Kind::Named { json: 1, value: None }], r#"[{"named":{"json":1,"value":null}}]"#);
        assert_eq!(Reader::text(r#"{"named":{"json":1}}"#), Ok(Kind::Named { json: 1, value: None }));
        for bad in [r#""blue""#, r#""several""#, r#"{"light-blue":1,"nothing":null}"#, "{}", "null", "\"named\""] {
            assert!(Reader::text::<Kind>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_struct_without_names_is_what_is_in_it() {
        both_ways(Pair(Octet(1), true), "[1,true]");
        both_ways(Octet(7), "7");
        both_ways(vec![Octet(104), Octet(105)], "\"aGk=\"");
        both_ways(Some(Perhaps(None)), r#"{"some":null}"#);
    }

    #[test]
    fn a_duration_is_nanoseconds() {
        assert_eq!(nanoseconds(Duration::from_micros(3)), 3000);
        assert_eq!(nanoseconds(Duration::MAX), u64::MAX);
    }
}
