//! `components/cpi-detector`: who suffers, who is named, and by which numbers.

mod known;
mod many;
mod node;
mod recorded;
mod suffering;
mod suspects;
mod windows;
