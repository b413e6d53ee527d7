//! From a Rust type to a type of values.
//!
//! A macro sees names, not what they stand for: a type is known by the last part of its path, and one of the module's
//! own definitions wins over a type of the standard library.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments, PathSegment};

use crate::model::{MapKind, Plain, Type};
use crate::problems::Problems;

/// What values may be, for messages.
const ALLOWED: &str = "values are scalars, `String`, `char`, `Bytes`, `Duration`, `Vec`, `Option`, `Result`, tuples, \
                       `HashMap`, `BTreeMap`, and types of this module with `#[derive(Value)]`";

/// Reads types, knowing the module's own.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    /// The types of the module with `#[derive(Value)]`.
    pub(crate) own: &'a [Ident],
    /// Its types without.
    pub(crate) others: &'a [Ident],
    /// Whether there is a module in which a type could be defined.
    pub(crate) is_in_module: bool,
}

impl Types<'_> {
    /// Reads a type, or reports each part of it that is none of values.
    pub(crate) fn read(&self, ty: &syn::Type, problems: &mut Problems) -> Option<Type> {
        match ty {
            syn::Type::Paren(inner) => self.read(&inner.elem, problems),
            syn::Type::Group(inner) => self.read(&inner.elem, problems),
            syn::Type::Tuple(tuple) if !tuple.elems.is_empty() => {
                let parts: Vec<_> = tuple.elems.iter().map(|part| self.read(part, problems)).collect();
                Some(Type::Tuple(parts.into_iter().collect::<Option<_>>()?))
            }
            syn::Type::Path(path) if path.qself.is_none() => {
                let last = path.path.segments.last()?;
                // `self::Prediction` is the module's own, `other::Prediction` is not.
                let is_own = path.path.segments.len() == 1 || path.path.segments[0].ident == "self";
                self.read_segment(ty, last, is_own, problems)
            }
            _ => self.refuse(ty, problems),
        }
    }

    /// Reads a type where one that is none of values is no mistake.
    pub(crate) fn probe(&self, ty: &syn::Type) -> Option<Type> {
        let mut unheard = Problems::default();
        self.read(ty, &mut unheard).filter(|_| unheard.is_empty())
    }

    fn read_segment(
        &self,
        ty: &syn::Type,
        segment: &PathSegment,
        is_own: bool,
        problems: &mut Problems,
    ) -> Option<Type> {
        if is_own && self.own.contains(&segment.ident) {
            // One with generics is a mistake where it is defined.
            let is_plain = segment.arguments.is_none();
            return Some(if is_plain { Type::Own(segment.ident.clone()) } else { Type::UNKNOWN });
        }
        let name = segment.ident.to_string();
        let arguments = type_arguments(segment);
        match (name.as_str(), arguments.as_slice()) {
            ("Bytes", []) => Some(Type::List(Box::new(Type::Plain(Plain::U8)))),
            ("Duration", []) => Some(Type::Duration),
            ("Vec", [part]) => Some(Type::List(Box::new(self.read(part, problems)?))),
            ("Option", [part]) => Some(Type::Option(Box::new(self.read(part, problems)?))),
            ("Box", [part]) => self.boxed(ty, part, problems),
            ("HashMap", [key, value]) => self.map(MapKind::Hash, key, value, problems),
            ("BTreeMap", [key, value]) => self.map(MapKind::BTree, key, value, problems),
            ("Result", [ok, err]) => {
                let (ok, err) = (self.read_or_unit(ok, problems), self.read_or_unit(err, problems));
                Some(Type::Result(ok?.map(Box::new), err?.map(Box::new)))
            }
            ("Result", [_]) => {
                problems.on(ty, "a `Result` inside of a value says what its error is; write `Result<T, String>`");
                None
            }
            (name, []) => match plain(name) {
                Some(plain) => Some(Type::Plain(plain)),
                None => self.refuse(ty, problems),
            },
            _ => self.refuse(ty, problems),
        }
    }

    fn read_or_unit(&self, ty: &syn::Type, problems: &mut Problems) -> Option<Option<Type>> {
        if is_unit(ty) { Some(None) } else { self.read(ty, problems).map(Some) }
    }

    fn map(&self, kind: MapKind, key: &syn::Type, value: &syn::Type, problems: &mut Problems) -> Option<Type> {
        let (key_type, value) = (self.read(key, problems), self.read(value, problems));
        let key_type = key_type?;
        if !matches!(key_type, Type::Plain(plain) if !matches!(plain, Plain::F32 | Plain::F64)) {
            problems.on(key, "the key of a map is a `String`, a `char`, a `bool` or a whole number");
            return None;
        }
        Some(Type::Map(kind, Box::new(key_type), Box::new(value?)))
    }

    fn boxed(&self, ty: &syn::Type, part: &syn::Type, problems: &mut Problems) -> Option<Type> {
        match part {
            syn::Type::TraitObject(_) => self.refuse(ty, problems),
            _ => {
                problems.on(ty, "a value is passed without a `Box`; write the type in it");
                None
            }
        }
    }

    fn refuse(&self, ty: &syn::Type, problems: &mut Problems) -> Option<Type> {
        problems.on(ty, self.reason(ty));
        // Nobody else has to be told of a type that only lacks its derive.
        self.other(ty).map(|ident| Type::Own(ident.clone()))
    }

    /// The name of a type of the module that is no value yet.
    fn other<'t>(&self, ty: &'t syn::Type) -> Option<&'t Ident> {
        let syn::Type::Path(path) = ty else { return None };
        path.path.get_ident().filter(|ident| self.others.contains(ident))
    }

    fn reason(&self, ty: &syn::Type) -> String {
        let written = spelled(ty);
        let instead = match ty {
            syn::Type::Reference(reference) => Some(owned(&reference.elem)),
            syn::Type::Slice(slice) => Some(format!("Vec<{}>", spelled(&slice.elem))),
            syn::Type::Array(array) => Some(format!("Vec<{}>", spelled(&array.elem))),
            syn::Type::Path(_) if written == "usize" => Some("u32` or `u64".to_owned()),
            syn::Type::Path(_) if written == "isize" => Some("i32` or `i64".to_owned()),
            syn::Type::Path(_) if written == "u128" => Some("u64` or `String".to_owned()),
            syn::Type::Path(_) if written == "i128" => Some("i64` or `String".to_owned()),
            _ => None,
        };
        if let Some(instead) = instead {
            return format!("`{written}` is no type of values; write `{instead}`");
        }
        if self.other(ty).is_some() {
            return format!("`{written}` is no type of values yet; put `#[derive(Value)]` on it");
        }
        if self.is_in_module {
            format!("`{written}` is no type of values here; {ALLOWED}")
        } else {
            format!(
                "`{written}` is no type of values here; a `#[function]` has none of its own: make it a method of a \
                 `#[class]` module, and define the type there"
            )
        }
    }
}

/// What `&T` is as a value of its own.
fn owned(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Slice(slice) => format!("Vec<{}>", spelled(&slice.elem)),
        other if spelled(other) == "str" => "String".to_owned(),
        other => spelled(other),
    }
}

/// Whether it is `()`.
pub(crate) fn is_unit(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// The types between the angle brackets.
pub(crate) fn type_arguments(segment: &PathSegment) -> Vec<&syn::Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// A type as a reader would write it, without the spaces between tokens.
pub(crate) fn spelled(tokens: &impl quote::ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let glued =
        [(" < ", "<"), (" > ", ">"), (" >", ">"), ("< ", "<"), (" ,", ","), ("& ", "&"), (" :: ", "::"), (" ;", ";")];
    glued.iter().fold(spaced, |text, (from, to)| text.replace(from, to))
}

fn plain(name: &str) -> Option<Plain> {
    Some(match name {
        "bool" => Plain::Bool,
        "i8" => Plain::S8,
        "i16" => Plain::S16,
        "i32" => Plain::S32,
        "i64" => Plain::S64,
        "u8" => Plain::U8,
        "u16" => Plain::U16,
        "u32" => Plain::U32,
        "u64" => Plain::U64,
        "f32" => Plain::F32,
        "f64" => Plain::F64,
        "char" => Plain::Char,
        "String" => Plain::String,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Type, Vec<String>> {
        let own: Vec<Ident> = vec![syn::parse_quote!(Point)];
        let others: Vec<Ident> = vec![syn::parse_quote!(Plane)];
        let mut problems = Problems::default();
        let types = Types { own: &own, others: &others, is_in_module: true };
        let read = types.read(&syn::parse_str(text).unwrap(), &mut problems);
        read.filter(|_| problems.is_empty()).ok_or_else(|| problems.messages())
    }

    #[test]
    fn types_are_known_by_the_last_part_of_their_path() {
        let string = || Box::new(Type::Plain(Plain::String));
        assert_eq!(read("std::vec::Vec<String>"), Ok(Type::List(string())));
        assert_eq!(read("(u8, Option<Point>)").unwrap().parts().len(), 2);
        assert_eq!(read("Bytes"), read("Vec<u8>"));
        assert_eq!(read("Result<(), String>"), Ok(Type::Result(None, Some(string()))));
        assert_eq!(read("self::Point"), read("Point"));
        assert!(matches!(read("std::collections::BTreeMap<char, u8>"), Ok(Type::Map(MapKind::BTree, ..))));
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_to_write() {
        for (text, instead) in [
            ("&str", "write `String`"),
            ("&[u8]", "write `Vec<u8>`"),
            ("[f32; 3]", "write `Vec<f32>`"),
            ("usize", "write `u32` or `u64`"),
            ("Box<Point>", "without a `Box`"),
            ("Plane", "put `#[derive(Value)]` on it"),
            ("other::Point", "types of this module"),
            ("HashMap<f64, u8>", "the key of a map"),
            ("Option<Result<u8>>", "says what its error is"),
            ("impl Iterator", "values are scalars"),
            ("Box<dyn Error>", "values are scalars"),
        ] {
            let messages = read(text).unwrap_err();
            assert!(messages[0].contains(instead), "{text}: {messages:?}");
        }
        assert_eq!(read("(&str, usize)").unwrap_err().len(), 2);
    }
}
