//! From the tree of a file to a configuration.

mod address;
mod arguments;
mod check;
mod component;
mod components_key;
mod convert;
mod environment;
mod file;
mod flat;
mod guest;
mod labels;
mod spot;
mod suggest;
mod value;
mod ways;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use address::{check_file, check_path, check_port};
pub(crate) use arguments::Arguments;
pub(crate) use convert::{Bound, Group, NameOrMap, Pairs, Seconds, SwitchOrNumbers};
pub use file::load;
pub(crate) use value::{Made, Value};

use crate::error::ConfigError;
use crate::model::{ComponentEntry, Guest, GuestId, Storage, StorageId};
use crate::node::{Node, Place};
use crate::surroundings::Surroundings;

/// What has been read of a file so far.
pub(crate) struct Reader<'a> {
    around: &'a Surroundings<'a>,
    errors: Vec<ConfigError>,
    notes: Vec<(Place, String)>,
    storages: Vec<Storage>,
    guests: Vec<Guest>,
    components: Vec<ComponentEntry>,
    /// Components by the address of their node, so that an alias is the component of its anchor; `None` for one that is
    /// wrong. The node is kept, so that no other gets its address.
    made: HashMap<*const Node, (Arc<Node>, Option<Made>)>,
    /// Above zero while a default is read: defaults are not looked for on the machine.
    in_default: usize,
}

impl<'a> Reader<'a> {
    fn new(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            errors: Vec::new(),
            notes: Vec::new(),
            storages: Vec::new(),
            guests: Vec::new(),
            components: Vec::new(),
            made: HashMap::new(),
            in_default: 0,
        }
    }

    pub(crate) fn error(&mut self, place: &Place, what: String) {
        self.report(place, what, None);
    }

    pub(crate) fn error_with_help(&mut self, place: &Place, what: String, help: String) {
        self.report(place, what, Some(help));
    }

    fn report(&mut self, place: &Place, what: String, help: Option<String>) {
        let error = ConfigError { place: Box::new(place.clone()), what, help };
        // What an alias repeats is said once.
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    pub(crate) fn note(&mut self, place: &Place, what: String) {
        if !self.notes.iter().any(|(known, text)| known == place && *text == what) {
            self.notes.push((place.clone(), what));
        }
    }

    /// Gives a storage its number.
    pub(crate) fn store(&mut self, storage: Storage) -> Made {
        self.storages.push(storage);
        Made::Storage(StorageId(self.storages.len() - 1))
    }

    /// The storages that were read so far.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.storages.iter()
    }

    /// Gives a guest its number.
    fn invite(&mut self, guest: Guest) -> GuestId {
        self.guests.push(guest);
        GuestId(self.guests.len() - 1)
    }
}
