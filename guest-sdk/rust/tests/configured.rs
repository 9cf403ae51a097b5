//! A policy with every kind of configuration, configured as the runtime would, on this machine's own processor.

/// Takes everything.
#[wca_guest::detector]
mod everything {
    use std::collections::BTreeMap;

    #[config]
    #[derive(Debug, PartialEq)]
    enum Mode {
        Quiet,
        VeryLoud,
    }

    #[config]
    #[derive(Debug, PartialEq)]
    enum Rule {
        Never,
        Every(u32),
        Within(Limits),
    }

    #[config]
    #[derive(Debug, PartialEq)]
    struct Limits {
        #[default(-0.5)]
        low: f64,
        high: Option<f64>,
        r#type: String,
    }

    /// Read through `Debug` alone.
    #[allow(dead_code)]
    #[derive(Debug)]
    struct Config {
        /// How loud.
        #[default(Mode::VeryLoud)]
        mode: Mode,
        rules: Vec<Rule>,
        #[default([("a", 3)])]
        weights: BTreeMap<String, f64>,
        #[default("x")]
        name: String,
        nested: Option<Option<f64>>,
        #[default(0.95)]
        share: Option<f64>,
        pair: (u32, String),
    }

    #[derive(Default)]
    struct State {
        calls: u32,
    }

    fn validate(config: &Config) -> Result<(), String> {
        if config.name.is_empty() {
            return Err("name: must not be empty".to_owned());
        }
        Ok(())
    }

    fn detect(state: &mut State, config: &Config) -> Result<(), String> {
        state.calls += 1;
        Err(format!("{} {config:?}", state.calls))
    }

    fn may_recycle(state: &State) -> bool {
        state.calls > 1
    }

    #[test]
    fn what_crosses_arrives_and_what_is_absent_has_its_default() {
        use __bindings::{ConfigLimits, ConfigMode, ConfigRule, Guest};

        assert_eq!(__Guest::detect(), Err("called before it was configured".to_owned()));
        assert!(!__Guest::may_recycle());

        let limits = ConfigLimits { low: None, high: Some(1.0), type_: "t".to_owned() };
        let rules = vec![ConfigRule::Never, ConfigRule::Every(5), ConfigRule::Within(limits)];
        let configured = __Guest::configure(None, rules, None, None, Some(None), None, (7, "p".to_owned()));
        assert_eq!(configured, Ok(()));
        let text = "1 Config { mode: VeryLoud, \
                    rules: [Never, Every(5), Within(Limits { low: -0.5, high: Some(1.0), type: \"t\" })], \
                    weights: {\"a\": 3.0}, name: \"x\", nested: Some(None), share: Some(0.95), pair: (7, \"p\") }";
        assert_eq!(__Guest::detect(), Err(text.to_owned()));
        assert!(__Guest::detect().unwrap_err().starts_with("2 "));
        assert!(__Guest::may_recycle());

        let wrong = __Guest::configure(
            Some(ConfigMode::Quiet),
            Vec::new(),
            None,
            Some(String::new()),
            None,
            Some(None),
            (1, String::new()),
        );
        assert_eq!(wrong, Err("name: must not be empty".to_owned()));
    }
}
