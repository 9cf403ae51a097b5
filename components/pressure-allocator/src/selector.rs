//! Which tasks an entry of the configuration means.

use std::collections::BTreeMap;

use wca_guest::now::Task;

/// Whether the task has all of these labels; `task_id` and `task_name` count as such.
pub(crate) fn selects(labels: &BTreeMap<String, String>, task: &Task) -> bool {
    labels.iter().all(|(name, pattern)| {
        let own = task.labels.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        let value = own.or(match name.as_str() {
            "task_id" => Some(&task.id),
            "task_name" => Some(&task.name),
            _ => None,
        });
        value.is_some_and(|value| fits(pattern, value))
    })
}

/// Whether a text fits a pattern, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: it takes one character more.
    let mut star = None;
    while at < text.len() {
        match pattern.get(from) {
            Some('*') => {
                star = Some((from + 1, at));
                from += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[at] => {
                from += 1;
                at += 1;
            }
            _ => {
                let Some((behind, taken)) = star else { return false };
                star = Some((behind, taken + 1));
                from = behind;
                at = taken + 1;
            }
        }
    }
    pattern[from..].iter().all(|rest| *rest == '*')
}
