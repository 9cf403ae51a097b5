//! `wca tasks`: the tasks of the node, and what is not measured of each.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wca_messages::{Gap, Reply, Request};
use wca_model::Task;

use crate::client::ClientError;
use crate::configured::view_of;
use crate::entry::Agent;
use crate::roster::{Known, View};
use crate::settings::Configured;
use crate::{log, print};

/// Prints them, in the order of discovery.
pub(crate) async fn tasks(agent: Agent, configured: Option<Configured>, as_json: bool) -> ExitCode {
    let view = match configured {
        None => View::everything(),
        Some(settings) => match view_of(&agent, &settings).await {
            Ok(view) => view,
            Err(text) => {
                log::lines(&text);
                return ExitCode::FAILURE;
            }
        },
    };
    match found(&agent, view).await {
        Ok(found) => {
            print::write_out(&if as_json { to_json(&found) } else { to_text(&found) });
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::plain(&format!("the tasks cannot be listed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn found(agent: &Agent, view: View) -> Result<Vec<(Arc<Task>, Vec<Gap>)>, ClientError> {
    let mut known = Known::new(Arc::clone(&agent.platform), Arc::clone(&agent.catalog), view);
    known.discover(&agent.client).await?;
    let mut found = Vec::with_capacity(known.roster.tasks.len());
    for task in &known.roster.tasks {
        let Reply::Gaps(gaps) = agent.client.ask(&Request::Gaps { task: task.key }).await?.reply else {
            return Err(ClientError::Unexpected);
        };
        found.push((Arc::clone(task), gaps));
    }
    Ok(found)
}

/// A paragraph for each task.
fn to_text(found: &[(Arc<Task>, Vec<Gap>)]) -> String {
    if found.is_empty() {
        return "there is no task".into();
    }
    let paragraph = |(task, gaps): &(Arc<Task>, Vec<Gap>)| {
        let mut text = format!("{}: {}", task.id.escape_debug(), task.cgroup.escape_debug());
        for (name, value) in &task.labels {
            text.push_str(&format!("\n  {name}={value:?}"));
        }
        for container in &task.containers {
            text.push_str(&format!("\n  with the cgroup {}", container.escape_debug()));
        }
        for gap in gaps {
            let controller = gap.controller.as_ref().map(|controller| format!(" (controller {controller})"));
            text.push_str(&format!(
                "\n  {} is not there{}: {}",
                gap.file.escape_debug(),
                controller.unwrap_or_default(),
                gap.metrics.join(", ")
            ));
        }
        text
    };
    found.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

/// An array of an object for each task.
fn to_json(found: &[(Arc<Task>, Vec<Gap>)]) -> String {
    let gap = |gap: &Gap| json!({"file": gap.file, "controller": gap.controller, "metrics": gap.metrics});
    let object = |(task, gaps): &(Arc<Task>, Vec<Gap>)| {
        let labels = task.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.clone())));
        json!({
            "task_id": task.id,
            "task_name": task.name,
            "cgroup": task.cgroup,
            "containers": task.containers,
            "labels": Value::Object(labels.collect()),
            "missing": gaps.iter().map(gap).collect::<Vec<_>>(),
        })
    };
    Value::from(found.iter().map(object).collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use wca_model::TaskKey;

    use super::*;

    fn found() -> Vec<(Arc<Task>, Vec<Gap>)> {
        let task = |id: &str, labels: &[(&str, &str)]| {
            Arc::new(Task {
                key: TaskKey(1),
                id: id.into(),
                name: id.into(),
                labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                resources: vec![],
                cgroup: format!("/{id}"),
                containers: vec![],
            })
        };
        let gap = Gap {
            file: "/sys/fs/cgroup/a/memory.peak".into(),
            controller: Some("memory".into()),
            metrics: vec!["task_mem_max_usage_bytes".into()],
        };
        vec![(task("a", &[("app", "x")]), vec![gap]), (task("b", &[]), vec![])]
    }

    #[test]
    fn as_text() {
        let expected = "a: /a\n  app=\"x\"\n  /sys/fs/cgroup/a/memory.peak is not there (controller memory): \
                        task_mem_max_usage_bytes\nb: /b";
        assert_eq!(to_text(&found()), expected);
        assert_eq!(to_text(&[]), "there is no task");
    }

    #[test]
    fn as_json() {
        let value: Value = serde_json::from_str(&to_json(&found())).unwrap();
        assert_eq!(value[0]["labels"]["app"], "x");
        assert_eq!(value[0]["missing"][0]["metrics"][0], "task_mem_max_usage_bytes");
        assert_eq!((value[1]["task_id"].as_str(), value[1]["missing"].as_array().map(Vec::len)), (Some("b"), Some(0)));
    }
}
