//! What each task is given, followed over the ticks, and what the operator is told of it.

use std::collections::{BTreeMap, BTreeSet};

use wca_guest::now::{RosterChange, Task};
use wca_guest::plan::{Fate, Outcome};
use wca_guest::releases::{Heard, Releases};
use wca_guest::types::Key;
use wca_guest::{log, plan as contract};

use crate::ask::{Ask, MIGRATE_PAGES};
use crate::plan::{Plan, Who};
use crate::told::Told;

/// Most tasks that a line of the log names.
const NAMED: usize = 5;

/// The tasks, with what was asked for of each.
#[derive(Default)]
pub(crate) struct Chosen {
    tasks: BTreeMap<Key, Known>,
    /// Troubles that were told.
    told: Told,
    /// What no rule gives any more.
    releases: Releases,
    /// Kinds that were asked for at any time, of any task, and can be given back.
    kinds: BTreeSet<&'static str>,
    /// Ids of rules that were looked for in vain, and told.
    missing: BTreeSet<String>,
    /// The rules are others than those by which it was chosen.
    is_old: bool,
}

/// What is known of a task.
struct Known {
    id: String,
    name: String,
    labels: Vec<(String, String)>,
    /// What the rules give it, or what keeps them from it. None where that has to be found out.
    gives: Option<Result<Vec<Value>, String>>,
    /// Kinds that were asked for.
    asked: BTreeSet<&'static str>,
}

/// A value that a task is given.
#[derive(Clone)]
struct Value {
    key: &'static str,
    path: String,
    shown: String,
    asks: Result<Vec<Ask>, String>,
}

/// What went wrong in this tick: the text without and the key and the id of each task.
type Troubles = BTreeMap<(String, String), Vec<(Key, String)>>;

impl Chosen {
    /// The rules have changed.
    pub(crate) fn choose_anew(&mut self) {
        self.is_old = true;
        self.told.clear();
        self.missing.clear();
    }

    /// Takes over who came and went, and finds out what those get of whom that is not known.
    pub(crate) fn follow(&mut self, changes: RosterChange, plan: &Plan) {
        for key in changes.departed {
            self.tasks.remove(&key);
            self.told.forget(key);
            self.releases.forget(key);
        }
        for Task { key, id, name, labels, .. } in changes.arrived {
            let asked = self.tasks.remove(&key).map(|known| known.asked).unwrap_or_default();
            self.tasks.insert(key, Known { id, name, labels, gives: None, asked });
        }
        if std::mem::take(&mut self.is_old) {
            self.tasks.values_mut().for_each(|known| known.gives = None);
        }
        for known in self.tasks.values_mut().filter(|known| known.gives.is_none()) {
            let who = Who { id: &known.id, name: &known.name, labels: &known.labels };
            known.gives = Some(plan.gives(&who).map(|gives| {
                let value = |given: &&crate::plan::Given| Value {
                    key: given.key,
                    path: given.path.clone(),
                    shown: given.shown.clone(),
                    asks: given.asks.clone(),
                };
                gives.iter().map(value).collect()
            }));
        }
        for id in plan.ids() {
            let is_here = self.tasks.values().any(|known| known.id == id);
            if is_here {
                self.missing.remove(id);
            } else if self.missing.insert(id.to_owned()) {
                log::warn!("there is no task `{id}` now, which a rule names by its id");
            }
        }
    }

    /// Asks for what every task gets, gives back what it got by earlier rules and gets no more, and tells what was refused.
    pub(crate) fn ask(&mut self, keys: &[Key]) {
        let mut troubles = Troubles::new();
        self.releases.begin();
        for outcome in contract::outcomes() {
            self.hear(&outcome, &mut troubles);
        }
        for key in keys {
            if let Some(known) = self.tasks.get_mut(key) {
                known.ask(*key, &mut self.releases, &mut troubles);
                self.kinds.extend(known.asked.iter().filter(|kind| **kind != MIGRATE_PAGES));
            }
        }
        self.tell(troubles);
    }

    /// What became of a request.
    fn hear(&mut self, outcome: &Outcome, troubles: &mut Troubles) {
        let (task, kind) = (outcome.task, outcome.kind.as_str());
        match (self.releases.hear(outcome), &outcome.fate) {
            (Some(Heard::Postponed { is_news: true }), Fate::Failed(why)) => {
                if let Some(known) = self.tasks.get(&task) {
                    note_release(troubles, kind, why, task, &known.id);
                }
            }
            (Some(_), _) => {}
            (None, Fate::Failed(why)) => self.failed(task, kind, why, troubles),
            (None, Fate::Reverted(_)) => {
                let gives = self.tasks.get(&task).and_then(|known| known.gives.as_ref()?.as_ref().ok());
                let kind = self.kinds.get(kind).copied();
                // What stood there before the rules changed stands there again.
                if let Some(kind) = kind.filter(|kind| gives.is_some_and(|gives| !is_given(gives, kind))) {
                    self.releases.undone(task, kind);
                }
            }
            (None, _) => {}
        }
    }

    /// A request that was taken came to nothing.
    fn failed(&self, task: Key, kind: &str, why: &str, troubles: &mut Troubles) {
        let Some(known) = self.tasks.get(&task) else { return };
        let Some(Ok(gives)) = &known.gives else { return };
        if let Some(value) = gives.iter().find(|value| value.is_of(kind)) {
            note(troubles, value, &format!("{kind}: {why}"), task, &known.id);
        }
    }

    /// Says what is new of the troubles, those of one value and one reason together.
    fn tell(&mut self, troubles: Troubles) {
        for ((text, why), mut tasks) in troubles {
            tasks.retain(|(key, _)| self.told.is_new(*key, &text, &why));
            let Some((_, first)) = tasks.first() else { continue };
            let names = match tasks.len() {
                1 => format!("task `{first}`"),
                count => {
                    let names: Vec<String> = tasks.iter().take(NAMED).map(|(_, id)| format!("`{id}`")).collect();
                    let more = count.saturating_sub(NAMED);
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    format!("tasks {}{more}", names.join(", "))
                }
            };
            log::warn!("{text}, {names}: {why}");
        }
    }
}

impl Known {
    fn ask(&mut self, key: Key, releases: &mut Releases, troubles: &mut Troubles) {
        let gives = match &self.gives {
            Some(Ok(gives)) => gives,
            Some(Err(why)) => {
                // What it got before stays: nobody knows what it should get.
                let tasks = troubles.entry(("rules".into(), why.clone())).or_default();
                tasks.push((key, self.id.clone()));
                return;
            }
            None => return,
        };
        // What rules give and is refused now is not given back: a value that stands is nearer to it.
        for kind in self.asked.iter().filter(|kind| **kind != MIGRATE_PAGES && !is_given(gives, kind)) {
            releases.want(key, *kind);
        }
        self.asked.retain(|kind| is_given(gives, kind));
        releases.withdraw(key, |kind| is_given(gives, kind));
        for refused in releases.ask_of(key) {
            note_release(troubles, refused.kind, &refused.why.text(), key, &self.id);
        }
        for value in gives {
            let asks = match &value.asks {
                Ok(asks) => asks,
                Err(why) => {
                    note(troubles, value, why, key, &self.id);
                    continue;
                }
            };
            for ask in asks {
                match ask.of(key) {
                    Ok(()) => {
                        self.asked.insert(ask.kind());
                    }
                    Err(why) => {
                        note(troubles, value, &why.text(), key, &self.id);
                        // Without its group, ways and bandwidth would be another group's.
                        if matches!(ask, Ask::RdtGroup(_)) {
                            break;
                        }
                    }
                }
            }
        }
    }
}

impl Value {
    /// Whether requests of this kind come from it.
    fn is_of(&self, kind: &str) -> bool {
        match &self.asks {
            Ok(asks) => asks.iter().any(|ask| ask.kind() == kind),
            Err(_) => self.key == kind || (self.key == "rdt" && kind.starts_with("rdt_")),
        }
    }
}

/// Whether requests of this kind come from one of these values.
fn is_given(gives: &[Value], kind: &str) -> bool {
    gives.iter().any(|value| value.is_of(kind))
}

fn note_release(troubles: &mut Troubles, kind: &str, why: &str, key: Key, id: &str) {
    let text = format!("giving back {kind}, for which no rule asks any more");
    let why = format!("{why}; it is tried again");
    troubles.entry((text, why)).or_default().push((key, id.to_owned()));
}

fn note(troubles: &mut Troubles, value: &Value, why: &str, key: Key, id: &str) {
    let text = format!("{}: {}", value.path, value.shown);
    troubles.entry((text, why.to_owned())).or_default().push((key, id.to_owned()));
}
