//! What stands in place of the author's module: the same, with the code between it and the contract.

use crate::config::{Body, Case, Field, Own};
use crate::kind::Kind;
use crate::module::{Argument, Call, Policy};
use crate::{docs, names, wit};
use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

/// The module.
pub(crate) fn policy(policy: &Policy) -> TokenStream {
    let bindings = match bindings(policy) {
        Ok(bindings) => bindings,
        Err(error) => return error.into_compile_error(),
    };
    let syn::ItemMod { attrs, vis, ident, .. } = &policy.module;
    let items = &policy.items;
    let prelude = Ident::new(policy.kind.world(), Span::call_site());
    let conversions = policy.types.iter().map(conversion);
    let slot = slot(policy);
    let exports = exports(policy);
    let docs = section(policy);
    // Named one by one: a macro that comes by a glob would stand in doubt beside the standard library's.
    let output = (policy.kind == Kind::Runner).then(|| {
        quote! {
            #[allow(unused_imports)]
            use ::wca_guest::{__print as print, __println as println};
        }
    });
    quote! {
        #(#attrs)*
        #vis mod #ident {
            #[allow(unused_imports)]
            use ::wca_guest::prelude::#prelude::*;
            #output
            #(#items)*
            #bindings
            #(#conversions)*
            #slot
            #exports
            #docs
        }
    }
}

fn bindings(policy: &Policy) -> syn::Result<TokenStream> {
    let world = wit::WORLD;
    let text = wit::world(policy)?;
    let with = wit::interfaces(policy).into_iter().map(|(id, module)| {
        let module = Ident::new(module, Span::call_site());
        quote!(#id: ::wca_guest::#module)
    });
    Ok(quote! {
        #[doc(hidden)]
        #[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all, clippy::pedantic, clippy::restriction)]
        mod __bindings {
            ::wca_guest::run::wit_bindgen::generate!({
                inline: #text,
                world: #world,
                runtime_path: "::wca_guest::run::wit_bindgen::rt",
                default_bindings_module: "__bindings",
                with: { #(#with),* },
            });
        }
    })
}

/// `FromWit` for one of the author's types.
fn conversion(own: &Own) -> TokenStream {
    let name = &own.name;
    let bound = names::bound_type(name);
    let body = match &own.body {
        Body::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let at = names::bound_field(&field.wit);
                member(field, &quote!(value.#at))
            });
            quote!(Self { #(#fields),* })
        }
        Body::Enum(cases) => {
            let arms = cases.iter().map(|Case { name, wit, payload }| {
                let case = names::bound_case(wit);
                match payload {
                    Some(_) => quote!(__bindings::#bound::#case(value) => Self::#name(::wca_guest::config::FromWit::from_wit(value))),
                    None => quote!(__bindings::#bound::#case => Self::#name),
                }
            });
            quote!(match value { #(#arms),* })
        }
    };
    quote! {
        impl ::wca_guest::config::FromWit<__bindings::#bound> for #name {
            #[allow(unused_variables)]
            fn from_wit(value: __bindings::#bound) -> Self {
                #body
            }
        }
    }
}

/// `name: value` in the making of one of the author's structs.
fn member(field: &Field, crossed: &TokenStream) -> TokenStream {
    let name = &field.name;
    match &field.default {
        Some(default) => {
            let value = &default.value;
            quote! {
                #name: match #crossed {
                    ::std::option::Option::Some(value) => ::wca_guest::config::FromWit::from_wit(value),
                    ::std::option::Option::None => #value,
                }
            }
        }
        None => quote!(#name: ::wca_guest::config::FromWit::from_wit(#crossed)),
    }
}

/// Where the configuration and the state live between two calls.
fn slot(policy: &Policy) -> TokenStream {
    let config = if policy.config.is_some() { quote!(Config) } else { quote!(()) };
    let state = if policy.state { quote!(State) } else { quote!(()) };
    let start = if policy.config.is_some() { quote!(unconfigured) } else { quote!(ready) };
    quote! {
        ::std::thread_local! {
            static __POLICY: ::wca_guest::run::Policy<#config, #state> = ::wca_guest::run::Policy::#start();
        }
    }
}

fn exports(policy: &Policy) -> TokenStream {
    let function = Ident::new(policy.kind.function(), Span::call_site());
    let error = match policy.kind {
        Kind::Storage => quote!(::wca_guest::types::StoreError),
        Kind::Detector | Kind::Allocator | Kind::Runner => quote!(::std::string::String),
    };
    let call = call(&policy.main, &quote!(config), &quote!(state));
    let span = policy.main.name.span();
    let outcome = quote_spanned!(span=> ::wca_guest::run::Outcome::<#error>::outcome(#call));
    let configure = policy.config.as_deref().map(|fields| configure(policy, fields));
    let may_recycle = policy.may_recycle.as_ref().map(|recycle| {
        let call = self::call(recycle, &quote!(config), &quote!(state));
        quote! {
            fn may_recycle() -> bool {
                ::wca_guest::run::begin();
                __POLICY.with(|policy| policy.call(|config, state| #call).unwrap_or(false))
            }
        }
    });
    quote! {
        #[doc(hidden)]
        struct __Guest;

        #[allow(unused_variables)]
        impl __bindings::Guest for __Guest {
            fn #function() -> ::std::result::Result<(), #error> {
                ::wca_guest::run::begin();
                __POLICY.with(|policy| policy.call(|config, state| #outcome)).unwrap_or_else(|error| ::std::result::Result::Err(error.into()))
            }
            #configure
            #may_recycle
        }

        #[allow(unsafe_code)]
        const _: () = {
            __bindings::export!(__Guest with_types_in __bindings);
        };
    }
}

fn configure(policy: &Policy, fields: &[Field]) -> TokenStream {
    let names: Vec<_> = (0..fields.len()).map(|number| format_ident!("value_{number}")).collect();
    let types = fields.iter().map(|field| field.crossing().bound());
    let members = fields.iter().zip(&names).map(|(field, name)| member(field, &quote!(#name)));
    let validate = policy.validate.as_ref().map(|validate| {
        let call = call(validate, &quote!(&config), &quote!(&mut ()));
        quote_spanned!(validate.name.span()=> ::wca_guest::run::Outcome::<::std::string::String>::outcome(#call)?;)
    });
    quote! {
        fn configure(#(#names: #types),*) -> ::std::result::Result<(), ::std::string::String> {
            ::wca_guest::run::begin();
            let config = Config { #(#members),* };
            #validate
            __POLICY.with(|policy| policy.configure(config));
            ::std::result::Result::Ok(())
        }
    }
}

fn call(call: &Call, config: &TokenStream, state: &TokenStream) -> TokenStream {
    let name = &call.name;
    let arguments = call.arguments.iter().map(|argument| match argument {
        Argument::Config => config,
        Argument::State | Argument::StateMut => state,
    });
    // At the author's function, so that what is wrong with it is pointed out there.
    quote_spanned!(name.span()=> #name(#(#arguments),*))
}

/// The custom section with the help. The linker copies it into the module as it stands.
fn section(policy: &Policy) -> TokenStream {
    let json = docs::json(policy);
    let bytes = Literal::byte_string(json.as_bytes());
    let length = json.len();
    quote! {
        #[allow(unsafe_code)]
        const _: () = {
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "wca-docs"))]
            #[used]
            static DOCS: [u8; #length] = *#bytes;
        };
    }
}
