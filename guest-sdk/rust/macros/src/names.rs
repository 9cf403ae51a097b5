//! Names on both sides of the border: `http_endpoint` here, `http-endpoint` there.

use heck::{ToKebabCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::Span;
use syn::Ident;

/// What stands before the names of an author's types in WIT, so that none meets a name of the contract.
const PREFIX: &str = "config-";

/// The name in WIT of a field, a case or a function. WIT knows letters and digits of ASCII, and a word begins with a letter.
pub(crate) fn wit(name: &Ident) -> syn::Result<String> {
    let plain = name.to_string();
    let kebab = plain.trim_start_matches("r#").to_kebab_case();
    let words_are_fine = kebab.split('-').all(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    if !words_are_fine || !kebab.is_ascii() {
        return Err(syn::Error::new(
            name.span(),
            format!(
                "`{plain}` cannot cross to YAML: every word of a name begins with an ASCII letter (`p99`, not `p_99`)"
            ),
        ));
    }
    Ok(kebab)
}

/// The name in WIT of one of the author's types.
pub(crate) fn wit_type(name: &Ident) -> syn::Result<String> {
    Ok(format!("{PREFIX}{}", wit(name)?))
}

/// The type that the bindings have for one of the author's types.
pub(crate) fn bound_type(name: &Ident) -> Ident {
    let kebab = name.to_string().trim_start_matches("r#").to_kebab_case();
    Ident::new(&format!("{PREFIX}{kebab}").to_upper_camel_case(), name.span())
}

/// The case that the bindings have for a case in WIT.
pub(crate) fn bound_case(wit: &str) -> Ident {
    Ident::new(&wit.to_upper_camel_case(), Span::call_site())
}

/// The field that the bindings have for a field in WIT: keywords get a line below at their end.
pub(crate) fn bound_field(wit: &str) -> Ident {
    let snake = wit.to_snake_case();
    syn::parse_str(&snake).unwrap_or_else(|_| Ident::new(&format!("{snake}_"), Span::call_site()))
}

/// The name of a component whose author gave none.
pub(crate) fn component(module: &Ident) -> String {
    module.to_string().trim_start_matches("r#").to_upper_camel_case()
}
