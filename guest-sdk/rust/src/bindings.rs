//! The imports of the contract, generated once for all guests from `wit/`.
//!
//! A guest's own bindings refer to these types, so that two policies in one crate speak of the same `Sample`. What a guest
//! does not call is not imported by its component.

wit_bindgen::generate!({
    path: "../../wit/policy.wit",
    inline: "
        package wca:guest-imports;
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
    world: "wca:guest-imports/imports",
    additional_derives: [PartialEq],
    generate_all,
});
