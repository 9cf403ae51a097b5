//! `Config`, and the types marked `#[config]` of which it is made.

use crate::default::Default;
use crate::names;
use crate::shape::Shape;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Fields, Ident, ItemEnum, ItemStruct, Lit, Meta};

/// A field of a struct: a parameter of `configure`, or a key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The author's name.
    pub(crate) name: Ident,
    /// The name in WIT.
    pub(crate) wit: String,
    /// Its type.
    pub(crate) shape: Shape,
    /// Its value where the key is absent; it then crosses as an option.
    pub(crate) default: Option<Default>,
    /// Whether the operator writes the path of a file, and what stands in that is the value.
    pub(crate) file: bool,
    /// The author's comment.
    pub(crate) help: String,
}

impl Field {
    /// The type that crosses.
    pub(crate) fn crossing(&self) -> Shape {
        match &self.default {
            Some(_) => Shape::Option(Box::new(self.shape.clone())),
            None => self.shape.clone(),
        }
    }
}

/// A case of an enum.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The author's name.
    pub(crate) name: Ident,
    /// The name in WIT.
    pub(crate) wit: String,
    /// What it carries.
    pub(crate) payload: Option<Shape>,
}

/// A type marked `#[config]`.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// The author's name.
    pub(crate) name: Ident,
    /// Its name in WIT.
    pub(crate) wit: String,
    /// What it is made of.
    pub(crate) body: Body,
}

/// What a type is made of.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Keys of a mapping.
    Struct(Vec<Field>),
    /// One of several.
    Enum(Vec<Case>),
}

impl Own {
    /// The types of its fields or cases.
    pub(crate) fn shapes(&self) -> Vec<&Shape> {
        match &self.body {
            Body::Struct(fields) => fields.iter().map(|field| &field.shape).collect(),
            Body::Enum(cases) => cases.iter().filter_map(|case| case.payload.as_ref()).collect(),
        }
    }

    /// Reads a struct and takes our attributes off its fields.
    pub(crate) fn from_struct(item: &mut ItemStruct, own: &[Ident]) -> syn::Result<Self> {
        let fields = fields(item, own)?;
        if let Some(file) = fields.iter().find(|field| field.file) {
            let text = "`#[file]` stands before a field of `Config`: the runtime reads files for whole arguments";
            return Err(syn::Error::new(file.name.span(), text));
        }
        let body = Body::Struct(fields);
        Ok(Self { wit: names::wit_type(&item.ident)?, name: item.ident.clone(), body })
    }

    /// Reads an enum.
    pub(crate) fn from_enum(item: &ItemEnum, own: &[Ident]) -> syn::Result<Self> {
        plain(&item.generics)?;
        if item.variants.is_empty() {
            return Err(syn::Error::new(item.ident.span(), "an enum without cases has no value to configure"));
        }
        let mut cases = Vec::new();
        for variant in &item.variants {
            let payload = match &variant.fields {
                Fields::Unit => None,
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(Shape::read(&fields.unnamed[0].ty, own)?),
                fields => {
                    let text = "a case carries nothing or one value: put several into a #[config] struct of their own";
                    return Err(syn::Error::new(fields.span(), text));
                }
            };
            cases.push(Case { name: variant.ident.clone(), wit: names::wit(&variant.ident)?, payload });
        }
        Ok(Self { wit: names::wit_type(&item.ident)?, name: item.ident.clone(), body: Body::Enum(cases) })
    }
}

/// The fields of a struct; takes `#[default]` and `#[file]` off them.
pub(crate) fn fields(item: &mut ItemStruct, own: &[Ident]) -> syn::Result<Vec<Field>> {
    plain(&item.generics)?;
    let named = match &mut item.fields {
        Fields::Named(named) => &mut named.named,
        Fields::Unit => return Ok(Vec::new()),
        fields @ Fields::Unnamed(_) => {
            return Err(syn::Error::new(fields.span(), "fields need names, which become the keys in YAML"));
        }
    };
    let mut read = Vec::new();
    for field in named {
        let Some(name) = field.ident.clone() else { continue };
        let shape = Shape::read(&field.ty, own)?;
        let default = match take(&mut field.attrs, "default") {
            Some(attribute) => Some(Default::read(&expression(&attribute)?, &shape)?),
            None => None,
        };
        let file = take(&mut field.attrs, "file").is_some();
        read.push(Field { wit: names::wit(&name)?, name, shape, default, file, help: help(&field.attrs) });
    }
    Ok(read)
}

/// Takes the first attribute of this name off a list.
pub(crate) fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let at = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(at))
}

/// The first paragraph of a comment, in one line.
pub(crate) fn help(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else { continue };
        if !meta.path.is_ident("doc") {
            continue;
        }
        if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value {
            // One attribute per line, or one of several lines in the form /** */.
            lines.extend(text.value().split('\n').map(|line| line.trim().trim_start_matches("* ").to_owned()));
        }
    }
    let paragraph = lines.iter().skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    paragraph.cloned().collect::<Vec<_>>().join(" ")
}

fn expression(attribute: &Attribute) -> syn::Result<Expr> {
    attribute.parse_args::<Expr>().map_err(|error| {
        syn::Error::new(attribute.span(), format!("`#[default(…)]` takes one value, as in `#[default(0.95)]`: {error}"))
    })
}

fn plain(generics: &syn::Generics) -> syn::Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    Err(syn::Error::new(generics.span(), "a type of the configuration has no parameters: YAML could not choose them"))
}
