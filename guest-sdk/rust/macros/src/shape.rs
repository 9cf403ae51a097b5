//! The types that a configuration may have, as they cross the border.

use crate::names;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{GenericArgument, Ident, PathArguments, Type};

/// A type of a field or of a case.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Its name in WIT and in Rust are known to both: `f64`.
    Plain(&'static str, &'static str),
    /// May be absent.
    Option(Box<Shape>),
    /// Any number of one type; maps cross as lists of pairs.
    List(Box<Shape>),
    /// Two or three of different types.
    Tuple(Vec<Shape>),
    /// One of the author's own.
    Named(Ident),
}

/// Rust's names of what crosses as it is, and WIT's.
const PLAIN: [(&str, &str); 12] = [
    ("bool", "bool"),
    ("u8", "u8"),
    ("u16", "u16"),
    ("u32", "u32"),
    ("u64", "u64"),
    ("i8", "s8"),
    ("i16", "s16"),
    ("i32", "s32"),
    ("i64", "s64"),
    ("f32", "f32"),
    ("f64", "f64"),
    ("char", "char"),
];

const KNOWN: &str = "bool, u8 to u64, i8 to i64, f32, f64, char, String, Option, Vec, BTreeMap<String, _>, HashMap<String, _>, \
                     tuples of two or three, and types of this module marked #[config]";

impl Shape {
    /// Reads a type; `own` are the author's types marked `#[config]`.
    pub(crate) fn read(ty: &Type, own: &[Ident]) -> syn::Result<Self> {
        match ty {
            Type::Paren(inner) => Self::read(&inner.elem, own),
            Type::Group(inner) => Self::read(&inner.elem, own),
            Type::Tuple(tuple) if matches!(tuple.elems.len(), 2 | 3) => {
                tuple.elems.iter().map(|elem| Self::read(elem, own)).collect::<syn::Result<_>>().map(Self::Tuple)
            }
            Type::Path(path) if path.qself.is_none() => Self::path(path, own),
            _ => Err(unknown(ty)),
        }
    }

    fn path(path: &syn::TypePath, own: &[Ident]) -> syn::Result<Self> {
        let Some(last) = path.path.segments.last() else { return Err(unknown(path)) };
        let name = last.ident.to_string();
        let arguments = arguments(&last.arguments);
        match (name.as_str(), arguments.as_slice()) {
            ("String", []) => Ok(Self::Plain("string", "String")),
            ("Option", [inner]) => Ok(Self::Option(Box::new(Self::read(inner, own)?))),
            ("Vec", [inner]) => Ok(Self::List(Box::new(Self::read(inner, own)?))),
            ("BTreeMap" | "HashMap", [key, value, ..]) => {
                let key_shape = Self::read(key, own)?;
                if !matches!(key_shape, Self::Plain("string", _)) {
                    return Err(syn::Error::new(
                        key.span(),
                        "the keys of a map are `String`, since those of YAML are texts",
                    ));
                }
                Ok(Self::List(Box::new(Self::Tuple(vec![key_shape, Self::read(value, own)?]))))
            }
            ("usize" | "isize", []) => Err(syn::Error::new(
                path.span(),
                format!("`{name}` has another size on every machine: write `u32` or `u64`"),
            )),
            (_, []) if path.path.segments.len() == 1 => {
                if own.contains(&last.ident) {
                    return Ok(Self::Named(last.ident.clone()));
                }
                PLAIN
                    .iter()
                    .find(|(rust, _)| *rust == name)
                    .map(|(rust, wit)| Self::Plain(wit, rust))
                    .ok_or_else(|| unknown(path))
            }
            _ => Err(unknown(path)),
        }
    }

    /// The type in WIT.
    pub(crate) fn wit(&self) -> syn::Result<String> {
        Ok(match self {
            Self::Plain(wit, _) => (*wit).to_owned(),
            Self::Option(inner) => format!("option<{}>", inner.wit()?),
            Self::List(inner) => format!("list<{}>", inner.wit()?),
            Self::Tuple(inner) => {
                let inner: Vec<_> = inner.iter().map(Self::wit).collect::<syn::Result<_>>()?;
                format!("tuple<{}>", inner.join(", "))
            }
            Self::Named(name) => format!("%{}", names::wit_type(name)?),
        })
    }

    /// The type in the bindings, seen from the author's module.
    pub(crate) fn bound(&self) -> TokenStream {
        match self {
            Self::Plain(_, "String") => quote!(::std::string::String),
            Self::Plain(_, rust) => {
                let rust = Ident::new(rust, proc_macro2::Span::call_site());
                quote!(::core::primitive::#rust)
            }
            Self::Option(inner) => {
                let inner = inner.bound();
                quote!(::std::option::Option<#inner>)
            }
            Self::List(inner) => {
                let inner = inner.bound();
                quote!(::std::vec::Vec<#inner>)
            }
            Self::Tuple(inner) => {
                let inner = inner.iter().map(Self::bound);
                quote!((#(#inner),*))
            }
            Self::Named(name) => {
                let name = names::bound_type(name);
                quote!(__bindings::#name)
            }
        }
    }

    /// The author's types in it.
    pub(crate) fn named(&self) -> Vec<&Ident> {
        match self {
            Self::Plain(..) => Vec::new(),
            Self::Option(inner) | Self::List(inner) => inner.named(),
            Self::Tuple(inner) => inner.iter().flat_map(Self::named).collect(),
            Self::Named(name) => vec![name],
        }
    }
}

fn arguments(arguments: &PathArguments) -> Vec<&Type> {
    let PathArguments::AngleBracketed(angles) = arguments else { return Vec::new() };
    angles
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

fn unknown(ty: &(impl ToTokens + Spanned)) -> syn::Error {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    syn::Error::new(ty.span(), format!("`{text}` cannot be written in YAML; what can: {KNOWN}"))
}
