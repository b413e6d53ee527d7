//! What types of the standard library are called in generated code, whatever the user's module imports.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::{MapKind, Plain};

impl MapKind {
    /// The path of the map.
    pub(crate) fn in_rust(self) -> TokenStream {
        match self {
            Self::Hash => quote!(::std::collections::HashMap),
            Self::BTree => quote!(::std::collections::BTreeMap),
        }
    }
}

impl Plain {
    /// The type as Rust has it.
    pub(crate) fn in_rust(self) -> TokenStream {
        match self {
            Self::Bool => quote!(bool),
            Self::S8 => quote!(i8),
            Self::S16 => quote!(i16),
            Self::S32 => quote!(i32),
            Self::S64 => quote!(i64),
            Self::U8 => quote!(u8),
            Self::U16 => quote!(u16),
            Self::U32 => quote!(u32),
            Self::U64 => quote!(u64),
            Self::F32 => quote!(f32),
            Self::F64 => quote!(f64),
            Self::Char => quote!(char),
            Self::String => quote!(::std::string::String),
        }
    }
}
