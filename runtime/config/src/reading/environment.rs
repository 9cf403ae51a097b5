//! `!Env NAME`: texts of the environment.

use std::collections::HashMap;
use std::sync::Arc;

use super::Reader;
use crate::node::{Content, Entry, Node};
use crate::scalar::Scalar;

/// The tag of a text of the environment. It stays at the text, for messages.
pub(crate) const ENV: &str = "Env";

impl Reader<'_> {
    /// The same tree with the text of the environment in place of each `!Env NAME`. What was shared is shared again.
    pub(crate) fn with_environment(&mut self, node: &Arc<Node>) -> Arc<Node> {
        self.copied(node, &mut HashMap::new())
    }

    fn copied(&mut self, node: &Arc<Node>, copies: &mut HashMap<*const Node, Arc<Node>>) -> Arc<Node> {
        if let Some(copy) = copies.get(&Arc::as_ptr(node)) {
            return Arc::clone(copy);
        }
        let mut tag = node.tag.clone();
        let content = match &node.content {
            content if tag.as_deref() == Some(ENV) => Content::Scalar(self.variable(node, content)),
            Content::Scalar(scalar) => {
                // YAML's own tags say nothing that the wanted type does not say, except that `!!str 7` is a text.
                let quoted = match tag.as_deref() {
                    Some("tag:yaml.org,2002:str" | "!") => Some(true),
                    Some("tag:yaml.org,2002:int" | "tag:yaml.org,2002:float" | "tag:yaml.org,2002:bool") => Some(false),
                    Some("tag:yaml.org,2002:null") => Some(false),
                    _ => None,
                };
                if quoted.is_some() {
                    tag = None;
                }
                Content::Scalar(Scalar { text: scalar.text.clone(), quoted: quoted.unwrap_or(scalar.quoted) })
            }
            Content::List(items) => Content::List(items.iter().map(|item| self.copied(item, copies)).collect()),
            Content::Map(entries) => Content::Map(
                entries
                    .iter()
                    .map(|Entry { key, place, value }| Entry {
                        key: key.clone(),
                        place: place.clone(),
                        value: self.copied(value, copies),
                    })
                    .collect(),
            ),
        };
        if matches!(tag.as_deref(), Some("tag:yaml.org,2002:seq" | "tag:yaml.org,2002:map")) {
            tag = None;
        }
        let copy = Arc::new(Node { content, tag, place: node.place.clone() });
        copies.insert(Arc::as_ptr(node), Arc::clone(&copy));
        copy
    }

    fn variable(&mut self, node: &Node, name: &Content) -> Scalar {
        let name = match name {
            Content::Scalar(name) if !name.text.is_empty() => &name.text,
            _ => {
                let help = "write `!Env NAME`".into();
                self.error_with_help(&node.place, "`!Env` needs the name of a variable".into(), help);
                return Scalar { text: String::new(), quoted: true };
            }
        };
        let text = (self.around.environment)(name).unwrap_or_else(|| {
            let what = format!("the environment has no variable `{name}`: an empty text stands for it");
            self.note(&node.place, what);
            String::new()
        });
        Scalar { text, quoted: true }
    }
}
