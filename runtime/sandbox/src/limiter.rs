//! Memory of a guest: one ceiling over all its memories and tables.

use wasmtime::ResourceLimiter;

/// Bytes that a table element costs the host.
const ELEMENT: u64 = 16;

/// Counts what the memories and tables of one instance hold, and remembers whether it said no in this call.
#[derive(Debug)]
pub(crate) struct Limiter {
    ceiling: u64,
    used: u64,
    parts: usize,
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(ceiling: u64, parts: u64) -> Self {
        Self { ceiling, used: 0, parts: usize::try_from(parts).unwrap_or(usize::MAX), denied: false }
    }

    /// Begins a call. What was denied in an earlier one, and got over, is no reason for what happens in this one.
    pub(crate) fn begin(&mut self) {
        self.denied = false;
    }

    /// Whether growth was denied in this call.
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    /// The ceiling in bytes.
    pub(crate) fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// Whether four fifths of the ceiling are used.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.used >= self.ceiling / 5 * 4
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, by: u64) -> bool {
        match self.used.checked_add(by) {
            Some(used) if used <= self.ceiling => {
                self.used = used;
                true
            }
            _ => {
                self.denied = true;
                false
            }
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow((desired - current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow((desired - current) as u64 * ELEMENT))
    }

    fn instances(&self) -> usize {
        self.parts
    }

    fn memories(&self) -> usize {
        self.parts
    }

    fn tables(&self) -> usize {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_ceiling() {
        let mut limiter = Limiter::new(1 << 20, 4);
        assert!(limiter.memory_growing(0, 512 << 10, None).unwrap());
        assert!(limiter.table_growing(0, 16 << 10, None).unwrap(), "256 KiB of elements");
        assert!(!limiter.is_nearly_full());
        assert!(!limiter.memory_growing(0, 512 << 10, None).unwrap());
        assert!(limiter.denied());
        limiter.begin();
        assert!(!limiter.denied());
        assert!(limiter.memory_growing(0, 128 << 10, None).unwrap(), "what fits is given after a denial");
        assert!(limiter.is_nearly_full());
    }
}
