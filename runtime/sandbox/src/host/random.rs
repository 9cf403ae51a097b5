//! `wca:policy/random`.

use rand_core::Rng;

use crate::bindings::random::Host;
use crate::state::State;

impl Host for State {
    fn unit(&mut self) -> wasmtime::Result<f64> {
        // The 53 upper bits, as many as an f64 holds.
        #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let bits = (self.random.next_u64() >> 11) as f64;
        Ok(bits / 9_007_199_254_740_992.0)
    }
}
