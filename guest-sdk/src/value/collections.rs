//! Values with parts, as JSON.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::{Kind, Value};
use crate::json::{Reader, Unread, Writer, base64};

impl<T: Value> Value for Vec<T> {
    fn write_json(value: &Self, json: &mut Writer) {
        if T::KIND == Kind::Byte {
            let bytes: Vec<u8> = value.iter().map(T::to_byte).collect();
            json.string(&base64::encode(&bytes));
        } else {
            json.list(value, T::write_json);
        }
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        if T::KIND == Kind::Byte {
            let text = json.string()?;
            let bytes = base64::decode(&text);
            let list = bytes.and_then(|bytes| bytes.into_iter().map(T::from_byte).collect());
            return list.ok_or_else(|| json.unread("a string of bytes in base64"));
        }
        let mut list = Self::new();
        json.list(|json| {
            list.push(T::read_json(json)?);
            Ok(())
        })?;
        Ok(list)
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = Kind::Option;

    fn write_json(value: &Self, json: &mut Writer) {
        match value {
            None => json.raw("null"),
            Some(value) if T::KIND == Kind::Option => json.object(|json| json.member("some", value)),
            Some(value) => T::write_json(value, json),
        }
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        if json.null() {
            return Ok(None);
        }
        if T::KIND != Kind::Option {
            return T::read_json(json).map(Some);
        }
        let case = json.case()?;
        if case.name != "some" {
            return Err(json.unread("`some`"));
        }
        let value = case.payload(json)?;
        case.end(json)?;
        Ok(Some(value))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    fn write_json(value: &Self, json: &mut Writer) {
        json.object(|json| match value {
            Ok(value) => json.member("ok", value),
            Err(error) => json.member("err", error),
        });
    }

    fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
        let case = json.case()?;
        let result = match &*case.name {
            "ok" => Ok(case.payload(json)?),
            "err" => Err(case.payload(json)?),
            _ => return Err(json.unread("`ok` or `err`")),
        };
        case.end(json)?;
        Ok(result)
    }
}

macro_rules! maps {
    ($($map:ident: $($bound:ident)*;)*) => {$(
        impl<K: Value $(+ $bound)*, V: Value> Value for $map<K, V> {
            fn write_json(value: &Self, json: &mut Writer) {
                if K::KIND == Kind::Text {
                    json.object(|json| value.iter().for_each(|(key, value)| json.entry(key, value)));
                } else {
                    json.list(value, |(key, value), json| {
                        json.list([true, false], |is_key, json| {
                            if is_key { K::write_json(key, json) } else { V::write_json(value, json) }
                        });
                    });
                }
            }

            fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
                let mut map = Self::new();
                if json.is_object() {
                    json.entries(|json| {
                        let key = K::read_json(json)?;
                        json.expect(b':')?;
                        map.insert(key, V::read_json(json)?);
                        Ok(())
                    })?;
                } else {
                    json.list(|json| {
                        let (key, value) = Value::read_json(json)?;
                        map.insert(key, value);
                        Ok(())
                    })?;
                }
                Ok(map)
            }
        }
    )*};
}

maps! {
    HashMap: Eq Hash;
    BTreeMap: Ord;
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => {$(
        impl<$first: Value, $($rest: Value),*> Value for ($first, $($rest,)*) {
            #[allow(non_snake_case, reason = "values are called like their types")]
            fn write_json(($first, $($rest,)*): &Self, json: &mut Writer) {
                json.raw("[");
                $first::write_json($first, json);
                $(
                    json.raw(",");
                    $rest::write_json($rest, json);
                )*
                json.raw("]");
            }

            fn read_json(json: &mut Reader<'_>) -> Result<Self, Unread> {
                json.expect(b'[')?;
                let tuple = ($first::read_json(json)?, $({
                    json.expect(b',')?;
                    $rest::read_json(json)?
                },)*);
                json.expect(b']')?;
                Ok(tuple)
            }
        }
    )*};
}

// As many as the standard library knows tuples of.
tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn both_ways<T: Value + PartialEq + Debug>(value: T, json: &str) {
        assert_eq!(Writer::text(&value), json);
        assert_eq!(Reader::text::<T>(json), Ok(value));
    }

    #[test]
    fn bytes_are_base64_and_other_lists_are_lists() {
        both_ways(b"hello".to_vec(), "\"aGVsbG8=\"");
        both_ways(Some(Vec::<u8>::new()), "\"\"");
        both_ways(vec![vec![1_u16, 2], vec![]], "[[1,2],[]]");
        assert!(Reader::text::<Vec<u8>>("\"aGk\"").is_err());
        assert!(Reader::text::<Vec<u16>>("[1,]").is_err());
    }

    #[test]
    fn an_option_in_an_option_keeps_none_and_some_none_apart() {
        for (value, json) in [(None, "null"), (Some(None), r#"{"some":null}"#), (Some(Some(5)), r#"{"some":5}"#)] {
            both_ways::<Option<Option<u8>>>(value, json);
        }
        both_ways(Some(Some(None::<u8>)), r#"{"some":{"some":null}}"#);
        both_ways(vec![Some(1), None], "[1,null]");
    }

    #[test]
    fn results_are_ok_or_err() {
        both_ways(Ok::<_, String>(5), r#"{"ok":5}"#);
        both_ways(Err::<(), _>(String::from("no")), r#"{"err":"no"}"#);
        both_ways(Ok::<_, ()>(()), r#"{"ok":null}"#);
        assert!(Reader::text::<Result<u8, u8>>(r#"{"ok":1,"err":2}"#).is_err());
    }

    #[test]
    fn maps_are_objects_if_their_keys_are_text() {
        both_ways(BTreeMap::from([("a\"".to_owned(), 1), ("b".to_owned(), 2)]), r#"{"a\"":1,"b":2}"#);
        both_ways(HashMap::from([(7_u8, "x".to_owned())]), r#"[[7,"x"]]"#);
        both_ways(BTreeMap::<String, u8>::new(), "{}");
        assert_eq!(Reader::text(r#"[["a",1]]"#), Ok(HashMap::from([("a".to_owned(), 1_u8)])));
    }

    #[test]
    fn tuples_are_lists_of_their_length() {
        both_ways((1_u8,), "[1]");
        both_ways((1_u8, String::from("a"), Some(true)), r#"[1,"a",true]"#);
        assert!(Reader::text::<(u8, u8)>("[1]").is_err() && Reader::text::<(u8, u8)>("[1,2,3]").is_err());
    }
}
