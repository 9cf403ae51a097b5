//! From what the operator named to policies that can be called.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wca_config::{Content, Entry, Node, Place, Scalar, parse_value};
use wca_messages::{Reply, Request, read_sealed};
use wca_sandbox::{Component, MakeError, Policy, PolicyName, Surroundings};

use crate::client::ClientError;
use crate::embedded;
use crate::entry::Agent;
use crate::file_arguments::Unusable;
use crate::log::PolicyLines;
use crate::settings::{ComponentSource, Rights};

/// Most bytes of compiled code.
const MOST_CODE: usize = 1 << 30;
/// After this time a compilation is announced, and again each time it has passed.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// A component could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    /// The warden did not serve it.
    #[error("{path}: {source}")]
    Ask {
        path: String,
        #[source]
        source: ClientError,
    },
    /// It was not compiled; the text names the file.
    #[error("{0}")]
    Compile(String),
    /// It was refused when loaded.
    #[error("{path}: {why}")]
    Refused { path: String, why: String },
    /// Its parameters do not fit.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// A file that one of them names cannot be used.
    #[error(transparent)]
    File(#[from] Unusable),
    /// A key of the command line belongs to no component.
    #[error("--set {key}: {why}")]
    Set { key: String, why: String },
}

/// A component with the name that it goes by.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) component: Component,
}

impl Agent {
    /// Compiles a component, or takes its code from the cache, and finds out what it is.
    pub(crate) async fn load(&self, source: &ComponentSource) -> Result<Loaded, ComponentError> {
        let path = source.to_string();
        let refused = |why: String| ComponentError::Refused { path: path.clone(), why };
        let code = match source {
            ComponentSource::File { file, path } => self.compiled(*file, path).await?,
            ComponentSource::Embedded { name } => embedded::code(name)
                .ok_or_else(|| {
                    refused(format!("no such component; built in are {}", embedded::embedded_names().join(", ")))
                })?
                .to_vec(),
        };
        let component = Component::load(&self.sandbox, &code).map_err(|error| refused(error.to_string()))?;
        let name = component.name().map_or_else(|| stem(&path), str::to_owned);
        Ok(Loaded { name, path, component })
    }

    async fn compiled(&self, file: u32, path: &str) -> Result<Vec<u8>, ComponentError> {
        let ask = |source: ClientError| ComponentError::Ask { path: path.to_owned(), source };
        let request = Request::Compile { file, engine: self.sandbox.engine_id(), cache: self.cache };
        let begun = Instant::now();
        let mut announcing = tokio::time::interval_at((begun + ANNOUNCE).into(), ANNOUNCE * 5);
        let compiling = self.client.ask(&request);
        tokio::pin!(compiling);
        let answer = loop {
            tokio::select! {
                answer = &mut compiling => break answer.map_err(ask)?,
                _ = announcing.tick() => {
                    let kept = if self.cache { "; its code is kept for the next start" } else { "" };
                    tracing::info!("compiling {path} for {:.0} s{kept}", begun.elapsed().as_secs_f64());
                }
            }
        };
        let refused = |why: String| ComponentError::Refused { path: path.to_owned(), why };
        match (answer.reply, answer.descriptors.first()) {
            (Reply::Compiled(Err(why)), _) => Err(ComponentError::Compile(why)),
            (Reply::Compiled(Ok(_)), Some(code)) => {
                read_sealed(code, MOST_CODE).map_err(|error| refused(error.to_string()))
            }
            _ => Err(ask(ClientError::Unexpected)),
        }
    }

    /// Makes a policy of a loaded component. Nothing of it runs yet.
    pub(crate) fn policy(
        &self,
        loaded: Loaded,
        parameters: &Arc<Node>,
        rights: &Rights,
        seed: u64,
    ) -> Result<Policy, ComponentError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let around = Surroundings {
            name: PolicyName::from(loaded.name.as_str()),
            sandbox: self.sandbox.clone(),
            limits: rights.limits.clone(),
            grants: rights.grants.clone(),
            log: Arc::new(PolicyLines(self.log.clone())),
            platform: Arc::clone(&self.platform),
            seed,
            now,
        };
        Policy::new(loaded.component, around, parameters).map_err(|error| match error {
            MakeError::Load { source, .. } => ComponentError::Refused { path: loaded.path, why: source.to_string() },
            configure @ MakeError::Configure(_) => configure.into(),
        })
    }
}

fn stem(path: &str) -> String {
    Path::new(path).file_stem().map_or_else(|| path.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Gives each component the parameters of the command line that are meant for it: `key=value` where there is one component,
/// `Name.key=value` where there are several.
pub(crate) fn parameters(names: &[&str], set: &[(String, String)]) -> Result<Vec<Arc<Node>>, ComponentError> {
    let mut trees: Vec<Tree> = names.iter().map(|_| Tree::default()).collect();
    for (key, text) in set {
        let wrong = |why: String| ComponentError::Set { key: key.clone(), why };
        let (of, path) = match (key.split_once('.'), names) {
            (Some((name, rest)), _) if names.contains(&name) => (name, rest),
            (_, [only]) => (*only, key.as_str()),
            _ => {
                let why = format!("of which component? Write NAME.{key}=…; the components are {}", names.join(", "));
                return Err(wrong(why));
            }
        };
        let matching: Vec<usize> = (0..names.len()).filter(|at| names[*at] == of).collect();
        for at in matching {
            let value = parse_value(text, &format!("--set {key}"));
            trees[at].insert(path, value).map_err(wrong)?;
        }
    }
    Ok(trees.into_iter().map(|tree| tree.into_node("--set")).collect())
}

/// A mapping in the making.
#[derive(Default)]
struct Tree {
    entries: Vec<(String, Branch)>,
}

enum Branch {
    Leaf(Arc<Node>),
    Tree(Tree),
}

impl Tree {
    fn insert(&mut self, path: &str, value: Arc<Node>) -> Result<(), String> {
        let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
        if head.is_empty() {
            return Err("a key has a name on each side of a dot".into());
        }
        let known = self.entries.iter().position(|(name, _)| name == head);
        match (rest, known) {
            (None, None) => self.entries.push((head.to_owned(), Branch::Leaf(value))),
            (None, Some(_)) => return Err("the key was set before".into()),
            (Some(rest), None) => {
                let mut tree = Tree::default();
                tree.insert(rest, value)?;
                self.entries.push((head.to_owned(), Branch::Tree(tree)));
            }
            (Some(rest), Some(at)) => match &mut self.entries[at].1 {
                Branch::Tree(tree) => tree.insert(rest, value)?,
                Branch::Leaf(_) => return Err(format!("`{head}` was set as a whole before")),
            },
        }
        Ok(())
    }

    fn into_node(self, source: &str) -> Arc<Node> {
        let place = |source: &str| Place { source: source.into(), line: 1, column: 1, length: 1 };
        let entries = self.entries.into_iter().map(|(name, branch)| {
            let below = format!("{source} {name}");
            let value = match branch {
                Branch::Leaf(node) => node,
                Branch::Tree(tree) => tree.into_node(&below),
            };
            Entry { key: Scalar { text: name, quoted: true }, place: place(&below), value }
        });
        Arc::new(Node { content: Content::Map(entries.collect()), tag: None, place: place(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn keys(node: &Node) -> Vec<String> {
        let Content::Map(entries) = &node.content else { panic!("{node:?}") };
        entries.iter().map(|entry| entry.key.text.clone()).collect()
    }

    #[test]
    fn one_component_takes_every_key() {
        let nodes =
            parameters(&["Busy"], &set(&[("limits.low", "1"), ("Busy.ticks", "3"), ("limits.high", "2")])).unwrap();
        assert_eq!(keys(&nodes[0]), ["limits", "ticks"]);
    }

    #[test]
    fn several_components_take_the_keys_under_their_names() {
        let nodes = parameters(&["A", "B"], &set(&[("A.x", "1"), ("B.y", "2")])).unwrap();
        assert_eq!((keys(&nodes[0]), keys(&nodes[1])), (vec!["x".into()], vec!["y".into()]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            (
                &["A", "B"][..],
                &[("x", "1")][..],
                "--set x: of which component? Write NAME.x=…; the components are A, B",
            ),
            (&["A"], &[("x", "1"), ("x", "2")], "--set x: the key was set before"),
            (&["A"], &[("x", "1"), ("x.y", "2")], "--set x.y: `x` was set as a whole before"),
            (&["A"], &[(".x", "1")], "--set .x: a key has a name on each side of a dot"),
        ];
        for (names, pairs, expected) in cases {
            assert_eq!(parameters(names, &set(pairs)).unwrap_err().to_string(), expected);
        }
    }
}
