//! The attributes of `wca-guest`; see there for how a policy is written.
//!
//! An attribute reads the author's module (`module.rs`), writes the world that it amounts to as WIT (`wit.rs`) and its help as
//! JSON (`docs.rs`), and adds to the module the bindings of that world and the code between both (`emit.rs`).

mod config;
mod default;
mod docs;
mod emit;
mod kind;
mod module;
mod names;
mod shape;
#[cfg(test)]
mod tests;
mod wit;

use kind::Kind;
use proc_macro::TokenStream;

/// Makes a module with `fn detect` a detector: it looks at the node, and tells.
#[proc_macro_attribute]
pub fn detector(attribute: TokenStream, module: TokenStream) -> TokenStream {
    expand(Kind::Detector, attribute, module)
}

/// Makes a module with `fn allocate` an allocator: it looks, tells, and asks for changes.
#[proc_macro_attribute]
pub fn allocator(attribute: TokenStream, module: TokenStream) -> TokenStream {
    expand(Kind::Allocator, attribute, module)
}

/// Makes a module with `fn store` a storage: it keeps metrics somewhere.
#[proc_macro_attribute]
pub fn storage(attribute: TokenStream, module: TokenStream) -> TokenStream {
    expand(Kind::Storage, attribute, module)
}

/// Makes a module with `fn run` a runner: it is the agent's loop.
#[proc_macro_attribute]
pub fn runner(attribute: TokenStream, module: TokenStream) -> TokenStream {
    expand(Kind::Runner, attribute, module)
}

fn expand(kind: Kind, attribute: TokenStream, module: TokenStream) -> TokenStream {
    let tokens = match module::Policy::read(kind, attribute.into(), module.into()) {
        Ok(policy) => emit::policy(&policy),
        Err(error) => error.into_compile_error(),
    };
    tokens.into()
}
