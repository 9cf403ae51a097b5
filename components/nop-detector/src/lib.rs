/// Finds nothing: for measuring alone, and for measuring what a detector costs.
#[wca_guest::detector(name = "NOPAnomalyDetector")]
mod nop {
    fn detect() {}
}
