/// Counts its own calls, so that one that is lost or made by a new instance is seen in what it reports.
#[wca_guest::detector(name = "Honest")]
mod honest {
    #[derive(Default)]
    struct State {
        calls: u32,
    }

    fn detect(state: &mut State) -> Result<(), String> {
        state.calls += 1;
        let (rows, columns) = (now::keys().len(), now::values("task_mem_usage_bytes"));
        if columns.iter().any(|column| column.len() != rows) {
            return Err(format!("{rows} tasks, and a column of another length"));
        }
        report::metric(&Sample::counter("honest_calls", f64::from(state.calls)))?;
        report::metric(&Sample::gauge("honest_tasks", rows as f64))?;
        Ok(())
    }
}
