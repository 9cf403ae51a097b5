//! `wca:policy/batch`: the metrics that a storage is to keep.

use serde_json::{Map, Number, Value, json};
use wca_model as model;

use crate::bindings::batch::{Family, Host, Label, Sample};
use crate::state::State;

impl Host for State {
    fn size(&mut self) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.batch("batch.size")?.size()).unwrap_or(u32::MAX))
    }

    fn exposition(&mut self) -> wasmtime::Result<String> {
        Ok(self.batch("batch.exposition")?.exposition())
    }

    fn json(&mut self) -> wasmtime::Result<String> {
        let samples: Vec<Value> = self.batch("batch.json")?.samples().iter().map(to_json).collect();
        Ok(Value::Array(samples).to_string())
    }

    fn label_sets(&mut self) -> wasmtime::Result<Vec<Vec<Label>>> {
        Ok(self.batch("batch.label-sets")?.label_sets())
    }

    fn label_sets_version(&mut self) -> wasmtime::Result<u64> {
        Ok(self.batch("batch.label-sets-version")?.label_sets_version())
    }

    fn families(&mut self) -> wasmtime::Result<Vec<Family>> {
        let families = self.batch("batch.families")?.families();
        Ok(families
            .into_iter()
            .map(|family| Family {
                name: family.name,
                kind: family.kind.into(),
                help: family.help,
                series: family.series,
                values: family.values,
            })
            .collect())
    }

    fn samples(&mut self) -> wasmtime::Result<Vec<Sample>> {
        Ok(self.batch("batch.samples")?.samples().into_iter().map(Sample::from).collect())
    }
}

impl State {
    fn batch(&self, function: &str) -> wasmtime::Result<&model::Batch> {
        let none =
            || wasmtime::format_err!("`{function}` was called when there is no batch: it answers during `store`");
        self.given.batch.as_ref().ok_or_else(none)
    }
}

/// `{"name":…,"labels":{…},"value":…,"type":…}`; JSON has no NaN and no infinities, which become null.
fn to_json(sample: &model::Sample) -> Value {
    let labels: Map<String, Value> =
        sample.labels.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    json!({
        "name": sample.name,
        "labels": labels,
        "value": Number::from_f64(sample.value),
        "type": sample.kind.as_str(),
    })
}
