//! Arguments of policies that are files: the operator writes a path, and what stands in the file is the value. The warden reads
//! it, this process parses it, and hands it in again whenever it has changed.

use std::sync::Arc;

use async_trait::async_trait;
use wca_config::{ConfigError, Content, Entry, Node, check_file_path, parse};
use wca_messages::{InputContent, Reply, Request};
use wca_sandbox::{ArgumentSource, Component};

use crate::client::{Client, ClientError};
use crate::settings::NamedInput;

/// The arguments of one policy, some of which are files.
pub(crate) struct FileArguments {
    client: Client,
    /// Its name in the log.
    policy: String,
    /// As the operator wrote them, with the paths.
    written: Arc<Node>,
    files: Vec<ArgumentFile>,
}

/// An argument that is a file.
struct ArgumentFile {
    /// Its key, as the operator wrote it.
    key: String,
    path: String,
    /// Number among the warden's inputs.
    input: u32,
    /// Version of what was read last, whether it could be taken or not.
    version: Option<u64>,
    /// What was taken last.
    content: Option<Parsed>,
    /// What is said of it until it is otherwise.
    trouble: Option<String>,
}

/// What stands in a file.
struct Parsed {
    text: String,
    value: Arc<Node>,
}

/// What a look at a file has shown.
enum Looked {
    Unchanged,
    Missing,
    Changed(Parsed),
}

/// A file cannot be taken.
enum Wrong {
    /// What stands in it is wrong, with the text of the file.
    Content(Box<ConfigError>, String),
    /// It cannot be read.
    Unread(String),
}

impl FileArguments {
    /// Reads the files that these arguments name; none where no argument of the component is a file. One that is not there is
    /// no argument, and comes when it is.
    ///
    /// # Errors
    /// [`Unusable`].
    pub(crate) async fn read(
        client: &Client,
        policy: &str,
        component: &Component,
        written: &Arc<Node>,
        inputs: &[NamedInput],
    ) -> Result<Option<Self>, Unusable> {
        let wanted = component.file_parameters();
        let mut files = Vec::new();
        for entry in entries(written) {
            let is_wanted = wanted.iter().any(|name| *name == entry.key.text.replace('-', "_"));
            if is_wanted && !is_null(&entry.value) {
                let file = ArgumentFile::new(entry, inputs);
                files.push((file.map_err(|error| Unusable { error, text: None })?, entry));
            }
        }
        for (file, entry) in &mut files {
            match file.look(client).await {
                Ok(Looked::Unchanged) => {}
                Ok(Looked::Missing) => file.say_missing(policy),
                Ok(Looked::Changed(parsed)) => file.content = Some(parsed),
                Err(Wrong::Content(error, text)) => return Err(Unusable { error: *error, text: Some(text) }),
                Err(Wrong::Unread(what)) => return Err(Unusable { error: at(&entry.value, what), text: None }),
            }
        }
        let files: Vec<ArgumentFile> = files.into_iter().map(|(file, _)| file).collect();
        let (client, policy, written) = (client.clone(), policy.to_owned(), Arc::clone(written));
        Ok((!files.is_empty()).then_some(Self { client, policy, written, files }))
    }

    /// All arguments, with what stands in the files in place of their paths; a file that is not there is left out.
    pub(crate) fn arguments(&self) -> Arc<Node> {
        let replaced = entries(&self.written).iter().filter_map(|entry| {
            let Some(file) = self.files.iter().find(|file| file.key == entry.key.text) else {
                return Some(entry.clone());
            };
            let content = file.content.as_ref()?;
            Some(Entry { value: Arc::clone(&content.value), ..entry.clone() })
        });
        let content = Content::Map(replaced.collect());
        Arc::new(Node { content, tag: None, place: self.written.place.clone() })
    }

    /// The texts of the files by their paths, for showing what is wrong in its line.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let read = self.files.iter().filter_map(|file| Some((file.path.clone(), file.content.as_ref()?.text.clone())));
        read.collect()
    }
}

#[async_trait]
impl ArgumentSource for FileArguments {
    async fn renewed(&mut self) -> Option<Arc<Node>> {
        let mut changed = false;
        for file in &mut self.files {
            match file.look(&self.client).await {
                Ok(Looked::Unchanged) => {}
                Ok(Looked::Missing) => file.say_missing(&self.policy),
                Ok(Looked::Changed(parsed)) => {
                    file.trouble = None;
                    tracing::info!("[{}] {}: {} is read anew", self.policy, file.key, file.path);
                    file.content = Some(parsed);
                    changed = true;
                }
                Err(Wrong::Content(error, _)) => file.say(&self.policy, &error.to_string()),
                Err(Wrong::Unread(what)) => file.say(&self.policy, &what),
            }
        }
        changed.then(|| self.arguments())
    }
}

/// Why an argument that is a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Unusable {
    /// What is wrong, and where.
    pub(crate) error: ConfigError,
    /// The text of the file, where it is in that.
    pub(crate) text: Option<String>,
}

impl ArgumentFile {
    fn new(entry: &Entry, inputs: &[NamedInput]) -> Result<Self, ConfigError> {
        let key = &entry.key.text;
        let wrong = |what: String| at(&entry.value, format!("`{key}` {what}"));
        let Content::Scalar(path) = &entry.value.content else {
            return Err(wrong(format!("must be the path of a file, but this is {}", entry.value.describe())));
        };
        check_file_path(path).map_err(wrong)?;
        let input = inputs.iter().find(|input| input.path == path.text);
        let input = input.ok_or_else(|| wrong("is no file that the warden was asked to read".into()))?;
        Ok(Self {
            key: key.clone(),
            path: path.text.clone(),
            input: input.number,
            version: None,
            content: None,
            trouble: None,
        })
    }

    /// What has changed since the last look.
    async fn look(&mut self, client: &Client) -> Result<Looked, Wrong> {
        let request = Request::ReadInput { input: self.input, known: self.version };
        let read = match client.ask(&request).await.map(|answer| answer.reply) {
            Ok(Reply::Input(read)) => read,
            Ok(_) => return Err(Wrong::Unread(ClientError::Unexpected.to_string())),
            Err(ClientError::Refused(why)) => return Err(Wrong::Unread(why.to_string())),
            Err(error) => return Err(Wrong::Unread(format!("{}: {error}", self.path))),
        };
        match read {
            InputContent::Unchanged => Ok(Looked::Unchanged),
            InputContent::Missing => {
                self.version = None;
                Ok(Looked::Missing)
            }
            InputContent::Content { version, bytes } => {
                self.version = Some(version);
                let text = String::from_utf8(bytes)
                    .map_err(|_| Wrong::Unread(format!("{}: this is no text in UTF-8", self.path)))?;
                if self.content.as_ref().is_some_and(|content| content.text == text) {
                    // As it was: what was wrong meanwhile is over.
                    self.trouble = None;
                    return Ok(Looked::Unchanged);
                }
                match plain(&text, &self.path) {
                    Ok(value) => Ok(Looked::Changed(Parsed { text, value })),
                    Err(error) => Err(Wrong::Content(error, text)),
                }
            }
        }
    }

    /// Says that the file is not there, once.
    fn say_missing(&mut self, policy: &str) {
        let then = match self.content {
            None => "nothing is taken from it until it is there",
            Some(_) => "what was read of it before stays; an empty file would take that away",
        };
        self.say_at(policy, &format!("{}: there is no such file; {then}", self.path), false);
    }

    /// Says what keeps the content of the file from being taken, once.
    fn say(&mut self, policy: &str, what: &str) {
        let stays = if self.content.is_some() { "; what was read before stays" } else { "" };
        self.say_at(policy, &format!("{what}{stays}"), true);
    }

    fn say_at(&mut self, policy: &str, what: &str, is_error: bool) {
        if self.trouble.as_deref() == Some(what) {
            return;
        }
        let key = &self.key;
        if is_error {
            tracing::error!("[{policy}] {key}: {what}");
        } else {
            tracing::warn!("[{policy}] {key}: {what}");
        }
        self.trouble = Some(what.to_owned());
    }
}

/// A file's content, without tags: nothing in it makes an object.
fn plain(text: &str, path: &str) -> Result<Arc<Node>, Box<ConfigError>> {
    let wrong = |place, what| Box::new(ConfigError { place, what, help: None });
    let node = parse(text, path).map_err(|error| wrong(error.place, error.what))?;
    match first_tag(&node) {
        None => Ok(node),
        Some((tagged, tag)) => {
            let what = format!("the tag `!{tag}` stands here; such a file has plain values alone");
            Err(wrong(Box::new(tagged.place.clone()), what))
        }
    }
}

fn first_tag(node: &Node) -> Option<(&Node, &str)> {
    if let Some(tag) = node.tag.as_deref() {
        return Some((node, tag));
    }
    match &node.content {
        Content::Scalar(_) => None,
        Content::List(items) => items.iter().find_map(|item| first_tag(item)),
        Content::Map(entries) => entries.iter().find_map(|entry| first_tag(&entry.value)),
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar(scalar) if scalar.is_null())
}

fn at(node: &Node, what: String) -> ConfigError {
    ConfigError { place: Box::new(node.place.clone()), what, help: None }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use wca_config::Place;
    use wca_messages::Refused;
    use wca_sandbox::Sandbox;

    use super::*;
    use crate::embedded;
    use crate::testing::warden;

    /// A warden that reads this, one after the other.
    fn reads(answers: Vec<Reply>) -> Client {
        let mut answers = VecDeque::from(answers);
        warden(move |request| match request {
            Request::ReadInput { input: 7, .. } => answers.pop_front().unwrap(),
            other => panic!("{other:?}"),
        })
        .0
    }

    fn content(version: u64, text: &str) -> Reply {
        Reply::Input(InputContent::Content { version, bytes: text.into() })
    }

    async fn read(client: &Client, yaml: &str) -> Result<Option<FileArguments>, Unusable> {
        let code = embedded::code("StaticAllocator").unwrap();
        let component = Component::load(&Sandbox::new().unwrap(), code).unwrap();
        let inputs = [NamedInput { path: "rules.yaml".into(), number: 7 }];
        FileArguments::read(client, "P", &component, &parse(yaml, "c.yaml").unwrap(), &inputs).await
    }

    /// The arguments, with the place of each value.
    fn shown(arguments: &Node) -> String {
        let shown = |entry: &Entry| {
            let Place { source, line, .. } = &entry.value.place;
            format!("{}={}@{source}:{line}", entry.key.text, entry.value.canonical())
        };
        entries(arguments).iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn what_stands_in_the_file_takes_the_place_of_its_path() {
        let client = reads(vec![
            content(1, "\n- name: a\n"),
            Reply::Input(InputContent::Unchanged),
            content(2, "\n- name: a\n"),
            content(3, "- name: b\n"),
            content(4, "- name: [\n"),
            content(4, "- name: [\n"),
            Reply::Refused(Refused::Failed("rules.yaml: no".into())),
            Reply::Input(InputContent::Missing),
            content(5, "- !x {}\n"),
            content(6, "- name: c\n"),
        ]);
        let mut files = read(&client, "{rules: [], config: rules.yaml}").await.unwrap().unwrap();
        assert_eq!(shown(&files.arguments()), "rules=[]@c.yaml:1 config=[\"{\\\"name\\\": \\\"a\\\"}\"]@rules.yaml:2");
        let mut renewed = Vec::new();
        for _ in 0..9 {
            renewed.push(files.renewed().await.map(|arguments| shown(&arguments)));
        }
        let with = |name: &str| {
            let value = format!("rules=[]@c.yaml:1 config=[\"{{\\\"name\\\": \\\"{name}\\\"}}\"]@rules.yaml:1");
            Some(value)
        };
        assert_eq!(renewed, [None, None, with("b"), None, None, None, None, None, with("c")]);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_no_argument_until_it_is() {
        let client = reads(vec![Reply::Input(InputContent::Missing), content(1, "[]")]);
        let mut files = read(&client, "config: rules.yaml").await.unwrap().unwrap();
        assert_eq!(shown(&files.arguments()), "");
        assert_eq!(shown(&files.renewed().await.unwrap()), "config=[]@rules.yaml:1");
    }

    #[tokio::test]
    async fn what_is_wrong_at_the_start_is_told_with_its_place() {
        let cases = [
            ("config: [x]", "c.yaml:1:9: `config` must be the path of a file, but this is a list of 1", vec![]),
            ("config: 5", "c.yaml:1:9: `config` must be a path, but this is the integer 5", vec![]),
            ("config: ../x", "c.yaml:1:9: `config` must be a path without `..`", vec![]),
            ("config: other", "c.yaml:1:9: `config` is no file that the warden was asked to read", vec![]),
            (
                "config: rules.yaml",
                "c.yaml:1:9: rules.yaml: no",
                vec![Reply::Refused(Refused::Failed("rules.yaml: no".into()))],
            ),
            ("config: rules.yaml", "rules.yaml:1:3: the tag `!x` stands here;", vec![content(1, "- !x {}")]),
            ("config: rules.yaml", "rules.yaml:2:1: ", vec![content(1, "[\n")]),
        ];
        for (yaml, expected, answers) in cases {
            let told = read(&reads(answers), yaml).await.err().unwrap().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
        assert!(read(&reads(vec![]), "{rules: [], config: null}").await.unwrap().is_none());
    }
}
