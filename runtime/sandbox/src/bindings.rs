//! The imports of every world of `wca:policy`, in one set of bindings: exports are called by name.

use wasmtime::component::{HasSelf, Linker};

use crate::host::node::link_wait;
use crate::state::State;

#[allow(missing_docs, reason = "generated; `wit/policy.wit` has the texts")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/policy.wit",
        inline: "
            package wca:host;
            world imports {
                import wca:policy/types@0.1.0;
                import wca:policy/log@0.1.0;
                import wca:policy/random@0.1.0;
                import wca:policy/now@0.1.0;
                import wca:policy/platform@0.1.0;
                import wca:policy/report@0.1.0;
                import wca:policy/plan@0.1.0;
                import wca:policy/batch@0.1.0;
                import wca:policy/node@0.1.0;
            }
        ",
        world: "wca:host/imports",
        imports: { "wca:policy/node@0.1.0": async | trappable, default: trappable },
    });
}

pub(crate) use generated::wca::policy::{batch, log, node, now, plan, platform, random, report, types};

/// Links everything that the contract lets a policy import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    generated::Imports::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    link_wait(linker)
}
