//! The author's module, read.

use crate::config::{self, Field, Own};
use crate::kind::Kind;
use crate::names;
use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, Item, ItemFn, ItemMod, LitStr, Type};

/// A policy as its author wrote it.
pub(crate) struct Policy {
    /// What it is.
    pub(crate) kind: Kind,
    /// The name of the component.
    pub(crate) name: String,
    /// What it is for, in one line.
    pub(crate) help: String,
    /// The parameters of `configure`, where there is a `Config`.
    pub(crate) config: Option<Vec<Field>>,
    /// The types of the parameters.
    pub(crate) types: Vec<Own>,
    /// Whether the module has a `State`.
    pub(crate) state: bool,
    /// `detect`, `allocate`, `store` or `run`.
    pub(crate) main: Call,
    /// `validate`, where there is one.
    pub(crate) validate: Option<Call>,
    /// `may_recycle`, where there is one.
    pub(crate) may_recycle: Option<Call>,
    /// The module without our attributes and without its items.
    pub(crate) module: ItemMod,
    /// Its items without our attributes.
    pub(crate) items: Vec<Item>,
}

/// A function of the author's, and what it asks for.
pub(crate) struct Call {
    /// Its name.
    pub(crate) name: Ident,
    /// Its arguments.
    pub(crate) arguments: Vec<Argument>,
}

/// What a function may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// `&Config`.
    Config,
    /// `&State`.
    State,
    /// `&mut State`.
    StateMut,
}

impl Policy {
    /// Reads the tokens between the attribute's parentheses and the item under it.
    pub(crate) fn read(kind: Kind, attribute: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let name = component_name(attribute)?;
        let mut module: ItemMod = syn::parse2(item).map_err(|error| {
            syn::Error::new(
                error.span(),
                format!("`#[wca_guest::{}]` stands before a module: `mod name {{ … }}`", kind.world()),
            )
        })?;
        let Some((_, mut items)) = module.content.take() else {
            return Err(syn::Error::new(
                module.span(),
                "write the module's content here, in braces: an attribute does not see another file",
            ));
        };
        let name = name.unwrap_or_else(|| names::component(&module.ident));
        let help = config::help(&module.attrs);

        let own = own_names(&items);
        let mut config = None;
        let mut state = false;
        let mut types = Vec::new();
        for item in &mut items {
            match item {
                Item::Struct(item) if own.contains(&item.ident) => {
                    config::take(&mut item.attrs, "config");
                    types.push(Own::from_struct(item, &own)?);
                }
                Item::Enum(item) if own.contains(&item.ident) => {
                    config::take(&mut item.attrs, "config");
                    types.push(Own::from_enum(item, &own)?);
                }
                Item::Struct(item) if item.ident == "Config" => config = Some(config::fields(item, &own)?),
                Item::Struct(syn::ItemStruct { ident, .. })
                | Item::Enum(syn::ItemEnum { ident, .. })
                | Item::Type(syn::ItemType { ident, .. })
                    if ident == "State" =>
                {
                    state = true;
                }
                Item::Enum(item) if item.ident == "Config" => {
                    return Err(syn::Error::new(
                        item.ident.span(),
                        "`Config` is a struct: its fields become the keys in YAML",
                    ));
                }
                _ => {}
            }
        }
        not_recursive(&types)?;

        let has = Has { config: config.is_some(), state };
        let Some(main) = function(&items, kind.function()) else {
            return Err(syn::Error::new(
                module.ident.span(),
                format!(
                    "a {} has a function `{}`: `fn {}() -> Result<(), String>`",
                    kind.world(),
                    kind.function(),
                    kind.function()
                ),
            ));
        };
        let main = call(main, has, &[Argument::Config, Argument::State, Argument::StateMut])?;
        let validate = function(&items, "validate").map(|f| call(f, has, &[Argument::Config])).transpose()?;
        if let (Some(validate), false) = (&validate, has.config) {
            return Err(syn::Error::new(
                validate.name.span(),
                "nothing to validate: this module has no `struct Config`",
            ));
        }
        let may_recycle =
            function(&items, "may_recycle").map(|f| call(f, has, &[Argument::Config, Argument::State])).transpose()?;
        Ok(Self { kind, name, help, config, types, state, main, validate, may_recycle, module, items })
    }
}

/// Which of the two types with a meaning there are.
#[derive(Clone, Copy)]
struct Has {
    config: bool,
    state: bool,
}

fn component_name(attribute: TokenStream) -> syn::Result<Option<String>> {
    let mut name = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("only `name = \"…\"` can stand here: the name of the component"));
        }
        let text: LitStr = meta.value()?.parse()?;
        let value = text.value();
        let starts_well = value.starts_with(|first: char| first.is_ascii_alphabetic());
        if !starts_well || !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(syn::Error::new(
                text.span(),
                "the name becomes a YAML tag: ASCII letters, digits and `_`, a letter first",
            ));
        }
        name = Some(value);
        Ok(())
    });
    parser.parse2(attribute)?;
    Ok(name)
}

fn own_names(items: &[Item]) -> Vec<Ident> {
    let marked = |attributes: &[syn::Attribute]| attributes.iter().any(|attribute| attribute.path().is_ident("config"));
    items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(item) if marked(&item.attrs) => Some(item.ident.clone()),
            Item::Enum(item) if marked(&item.attrs) => Some(item.ident.clone()),
            _ => None,
        })
        .collect()
}

fn function<'a>(items: &'a [Item], name: &str) -> Option<&'a ItemFn> {
    items.iter().find_map(|item| match item {
        Item::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

fn call(function: &ItemFn, has: Has, allowed: &[Argument]) -> syn::Result<Call> {
    let signature = &function.sig;
    if let Some(word) = &signature.asyncness {
        return Err(syn::Error::new(
            word.span(),
            "the runtime calls this function and waits for it: it cannot be `async`",
        ));
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        let argument = argument(input).filter(|argument| allowed.contains(argument)).ok_or_else(|| {
            let known = allowed.iter().map(|argument| argument.text()).collect::<Vec<_>>().join(", ");
            syn::Error::new(input.span(), format!("`{}` may ask for: {known}", signature.ident))
        })?;
        match argument {
            Argument::Config if !has.config => {
                return Err(syn::Error::new(input.span(), "this module has no `struct Config`"));
            }
            Argument::State | Argument::StateMut if !has.state => {
                return Err(syn::Error::new(
                    input.span(),
                    "this module has no type `State` (one with `#[derive(Default)]`)",
                ));
            }
            _ => arguments.push(argument),
        }
    }
    Ok(Call { name: signature.ident.clone(), arguments })
}

fn argument(input: &FnArg) -> Option<Argument> {
    let FnArg::Typed(typed) = input else { return None };
    let Type::Reference(reference) = &*typed.ty else { return None };
    let Type::Path(path) = &*reference.elem else { return None };
    let name = &path.path.segments.last()?.ident;
    match (name.to_string().as_str(), reference.mutability.is_some()) {
        ("Config", false) => Some(Argument::Config),
        ("State", false) => Some(Argument::State),
        ("State", true) => Some(Argument::StateMut),
        _ => None,
    }
}

impl Argument {
    fn text(self) -> &'static str {
        match self {
            Self::Config => "`config: &Config`",
            Self::State => "`state: &State`",
            Self::StateMut => "`state: &mut State`",
        }
    }
}

/// A value of a type that contains itself has no end, and WIT has no such types.
fn not_recursive(types: &[Own]) -> syn::Result<()> {
    fn reaches(from: &Own, to: &Ident, types: &[Own], depth: usize) -> bool {
        depth > 0
            && from.shapes().iter().flat_map(|shape| shape.named()).any(|name| {
                name == to
                    || types.iter().find(|own| own.name == *name).is_some_and(|own| reaches(own, to, types, depth - 1))
            })
    }
    match types.iter().find(|own| reaches(own, &own.name, types, types.len())) {
        Some(own) => Err(syn::Error::new(
            own.name.span(),
            format!("`{}` contains itself, which cannot cross to the runtime", own.name),
        )),
        None => Ok(()),
    }
}
