//! `#[default(0.95)]`: the value, and how an operator would write it.

use crate::names;
use crate::shape::Shape;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, UnOp};

/// The value of a field whose key is absent.
#[derive(Clone, Debug)]
pub(crate) struct Default {
    /// The expression that makes it.
    pub(crate) value: TokenStream,
    /// As in YAML.
    pub(crate) yaml: String,
}

const WHAT: &str = "a default is a literal, a case of a #[config] enum, or a list of these: `[]`, `[0, 1]`";

impl Default {
    /// Reads the expression between the parentheses for a field of this shape.
    pub(crate) fn read(value: &Expr, shape: &Shape) -> syn::Result<Self> {
        match (value, shape) {
            (_, Shape::Option(inner)) if matches!(**inner, Shape::Option(_)) => Err(syn::Error::new(
                value.span(),
                "an `Option` of an `Option` tells an absent key from `null`: drop either the default or one `Option`",
            )),
            // What is absent has the default, and `null` is none.
            (_, Shape::Option(inner)) => {
                let Self { value, yaml } = Self::read(value, inner)?;
                Ok(Self { value: quote!(::std::option::Option::Some(#value)), yaml })
            }
            (Expr::Array(array), Shape::List(inner)) => {
                let items = array.elems.iter().map(|item| Self::read(item, inner)).collect::<syn::Result<Vec<_>>>()?;
                let yaml = items.iter().map(|item| item.yaml.as_str()).collect::<Vec<_>>().join(", ");
                let values = items.iter().map(|item| &item.value);
                // Collected, not `vec!`: the field may be a map.
                let value = quote_spanned!(value.span()=> ::core::iter::Iterator::collect(::core::iter::IntoIterator::into_iter([#(#values),*])));
                let yaml = if is_pair(inner) { format!("{{{yaml}}}") } else { format!("[{yaml}]") };
                Ok(Self { value, yaml })
            }
            (Expr::Tuple(tuple), Shape::Tuple(inner)) if tuple.elems.len() == inner.len() => {
                let items = tuple.elems.iter().zip(inner);
                let items = items.map(|(item, shape)| Self::read(item, shape)).collect::<syn::Result<Vec<_>>>()?;
                let texts: Vec<_> = items.iter().map(|item| item.yaml.as_str()).collect();
                let yaml = if is_pair(shape) { texts.join(": ") } else { format!("[{}]", texts.join(", ")) };
                let values = items.iter().map(|item| &item.value);
                Ok(Self { value: quote!((#(#values),*)), yaml })
            }
            (Expr::Path(path), Shape::Named(_)) => {
                let Some(case) = path.path.segments.last() else { return Err(syn::Error::new(value.span(), WHAT)) };
                Ok(Self { value: value.to_token_stream(), yaml: names::wit(&case.ident)?.replace('-', "_") })
            }
            (Expr::Unary(minus), Shape::Plain(wit, _)) if matches!(minus.op, UnOp::Neg(_)) => {
                let Expr::Lit(number) = &*minus.expr else { return Err(syn::Error::new(value.span(), WHAT)) };
                let positive = literal(number, wit)?;
                let inner = positive.value;
                Ok(Self { value: quote!(-#inner), yaml: format!("-{}", positive.yaml) })
            }
            (Expr::Lit(value), Shape::Plain(wit, _)) => literal(value, wit),
            _ => Err(syn::Error::new(value.span(), WHAT)),
        }
    }
}

/// Whether a list of these is a mapping in YAML.
fn is_pair(shape: &Shape) -> bool {
    matches!(shape, Shape::Tuple(inner) if matches!(inner.as_slice(), [Shape::Plain("string", _), _]))
}

fn literal(value: &ExprLit, wit: &str) -> syn::Result<Default> {
    let wrong = |wanted: &str| {
        let text = value.to_token_stream();
        Err(syn::Error::new(value.span(), format!("the default `{text}` is no {wanted}, which the field is")))
    };
    let tokens = value.to_token_stream();
    match (&value.lit, wit) {
        (Lit::Str(text), "string") => {
            Ok(Default { value: quote!(::std::string::String::from(#tokens)), yaml: text.value() })
        }
        (Lit::Bool(on), "bool") => Ok(Default { value: tokens, yaml: on.value.to_string() }),
        (Lit::Char(one), "char") => Ok(Default { value: tokens, yaml: one.value().to_string() }),
        (Lit::Float(number), "f32" | "f64") => Ok(Default { value: tokens, yaml: number.base10_digits().to_owned() }),
        (Lit::Int(number), "f32" | "f64") => {
            // `#[default(3)]` for a float is what everybody writes.
            let ty = syn::Ident::new(wit, value.span());
            Ok(Default { value: quote!((#tokens as #ty)), yaml: number.base10_digits().to_owned() })
        }
        (Lit::Int(number), "u8" | "u16" | "u32" | "u64" | "s8" | "s16" | "s32" | "s64") => {
            Ok(Default { value: tokens, yaml: number.base10_digits().to_owned() })
        }
        (_, "string") => wrong("text"),
        (_, "bool") => wrong("`true` or `false`"),
        (_, "char") => wrong("single character"),
        (_, "f32" | "f64") => wrong("number"),
        _ => wrong("whole number"),
    }
}
