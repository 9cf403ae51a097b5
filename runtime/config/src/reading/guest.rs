//! WebAssembly components: their arguments are their own, so that little can be checked here.

use std::sync::Arc;

use super::arguments::Owner;
use super::component::Wanted;
use super::environment::ENV;
use super::spot::Spot;
use super::{Made, Reader};
use crate::definitions::{GUEST_RUNNER, Shape, definition};
use crate::model::{Guest, GuestId, GuestRunner, Measurement, Role, Runner, Storage};
use crate::node::{Content, Entry, Node};

impl Reader<'_> {
    /// Whether a tag that is none of this program's can be a guest's.
    pub(super) fn may_be_guest(&self, tag: &str) -> bool {
        self.around.other_guests || self.is_known_guest(tag)
    }

    pub(super) fn is_known_guest(&self, tag: &str) -> bool {
        self.guest_tags(None).any(|known| known == tag)
    }

    /// Tags of guests that can be used as this; `None`: of all.
    pub(super) fn guest_tags(&self, role: Option<Role>) -> impl Iterator<Item = &str> {
        let registered = self.around.guests.iter();
        let suitable = registered.filter(move |guest| match (guest.role, role) {
            (_, Some(role)) if !role.can_be_guest() => false,
            (Some(its), Some(wanted)) => its == wanted,
            _ => true,
        });
        let named = self.components.iter().filter(move |entry| {
            let known = self.around.guests.iter().any(|guest| guest.tag == entry.tag);
            !known && entry.path.is_some() && role.is_none_or(Role::can_be_guest)
        });
        suitable.map(|guest| guest.tag.as_str()).chain(named.map(|entry| entry.tag.as_str()))
    }

    /// The guest of a node, used as this; of an alias, that of its anchor.
    pub(super) fn guest(&mut self, node: &Arc<Node>, tag: &str, role: Role, spot: &Spot) -> Option<Made> {
        let its_role = self.around.guests.iter().find(|guest| guest.tag == tag).and_then(|guest| guest.role);
        if let Some(its_role) = its_role.filter(|its_role| *its_role != role) {
            let what = format!("`!{tag}` is {}; {} is expected here", its_role.phrase(), role.phrase());
            let help = self.available(Wanted::Role(role));
            self.report(spot.place_of(node), what, help);
            return None;
        }
        if !role.can_be_guest() {
            let help = self.available(Wanted::Role(role));
            let what = format!("`!{tag}` is a WebAssembly component, and {} are never one", role.plural());
            self.report(spot.place_of(node), what, help);
            return None;
        }
        if let Some((_, made)) = self.made.get(&Arc::as_ptr(node)) {
            let made = made.clone()?;
            let first_role = self.role_of(&made)?;
            if first_role == role {
                return Some(made);
            }
            let (first, second) = (first_role.phrase(), role.phrase());
            self.error(spot.place_of(node), format!("one `!{tag}` cannot be {first} and {second} at once"));
            return None;
        }
        let made = self.new_guest(node, tag, role);
        self.made.insert(Arc::as_ptr(node), (Arc::clone(node), made.clone()));
        made
    }

    fn role_of(&self, made: &Made) -> Option<Role> {
        match made {
            Made::Storage(_) => Some(Role::Storage),
            Made::Runner(_) => Some(Role::Runner),
            Made::Guest(guest) => self.guests.get(guest.0).map(|guest| guest.role),
            _ => None,
        }
    }

    fn new_guest(&mut self, node: &Node, tag: &str, role: Role) -> Option<Made> {
        let entries = self.entries(node, tag)?;
        if role == Role::Runner {
            return self.guest_runner(node, tag, entries);
        }
        self.check_delivery(tag, role)?;
        let guest = self.with_parameters(node, tag, role, &entries)?;
        Some(match role {
            Role::Storage => self.store(Storage::Guest(guest)),
            _ => Made::Guest(guest),
        })
    }

    /// How metrics are given to it is said of a storage alone.
    fn check_delivery(&mut self, tag: &str, role: Role) -> Option<()> {
        let entry = self.components.iter().find(|entry| entry.tag == tag && entry.delivery.is_some());
        let Some(place) = entry.filter(|_| role != Role::Storage).map(|entry| entry.place.clone()) else {
            return Some(());
        };
        let what = format!("`!{tag}` is used as {}, which is given no metrics to keep", role.phrase());
        self.error_with_help(
            &place,
            what,
            "on_failure, queue_batches and retry_timeout_in_seconds are of storages".into(),
        );
        None
    }

    fn guest_runner(&mut self, node: &Node, tag: &str, entries: Vec<Entry>) -> Option<Made> {
        let is_ours = |entry: &Entry| GUEST_RUNNER.iter().any(|parameter| parameter.name == entry.key.text);
        let (ours, own): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_ours);
        let owner = Owner { tag, place: &node.place, parameters: GUEST_RUNNER, also: Vec::new() };
        let mut arguments = self.arguments(&owner, &ours);
        let guest = self.with_parameters(node, tag, Role::Runner, &own);
        let mut measurement: Measurement = arguments.take("measurement_runner")?;
        let allocator: Option<GuestId> = arguments.take("allocator")?;
        if allocator.is_some() {
            measurement.allocation_configuration.get_or_insert_default();
        }
        Some(Made::Runner(Box::new(Runner::Guest(GuestRunner {
            guest: guest?,
            measurement,
            detector: arguments.take("detector")?,
            allocator,
            anomalies_storage: arguments.take("anomalies_storage")?,
            allocations_storage: arguments.take("allocations_storage")?,
            control: arguments.take("allocation_control")?,
        }))))
    }

    fn with_parameters(&mut self, node: &Node, tag: &str, role: Role, entries: &[Entry]) -> Option<GuestId> {
        let own_spot = |entry: &Entry| Spot::new(&entry.key.text, Some(tag), Some(&entry.place));
        let content = self.plain_entries(entries, own_spot).map(Content::Map)?;
        let parameters = Arc::new(Node { content, tag: None, place: node.place.clone() });
        Some(self.invite(Guest { tag: tag.into(), parameters, place: node.place.clone(), role }))
    }

    fn plain_entries(&mut self, entries: &[Entry], spot: impl Fn(&Entry) -> Spot) -> Option<Vec<Entry>> {
        let mut plain = Vec::new();
        for entry in entries {
            // Each is looked at, also after one that is wrong.
            plain.push(self.plain(&entry.value, &spot(entry)).map(|value| Entry { value, ..entry.clone() }));
        }
        plain.into_iter().collect()
    }

    /// An argument of a guest, without tags.
    fn plain(&mut self, node: &Arc<Node>, spot: &Spot) -> Option<Arc<Node>> {
        if let Some(tag) = node.tag.as_deref().filter(|tag| !self.is_plain_tag(tag)) {
            self.report_tag(node, tag, &format!("{spot} must be a plain value"), spot);
            return None;
        }
        let content = match &node.content {
            Content::Scalar(scalar) => Content::Scalar(scalar.clone()),
            Content::List(items) => {
                let items: Vec<_> =
                    items.iter().enumerate().map(|(index, item)| self.plain(item, &spot.item(index))).collect();
                Content::List(items.into_iter().collect::<Option<_>>()?)
            }
            Content::Map(entries) => {
                let member = |entry: &Entry| spot.member(&entry.key.text, &entry.place);
                Content::Map(self.plain_entries(entries, member)?)
            }
        };
        Some(Arc::new(Node { content, tag: None, place: node.place.clone() }))
    }

    /// Whether a tag only says what its value says anyway, as `!NUMAAlgorithm fill_biggest_first` does.
    fn is_plain_tag(&self, tag: &str) -> bool {
        let guests = &self.around.guests;
        let native = definition(tag).is_some_and(|definition| matches!(definition.shape, Shape::OneOf(_)));
        tag == ENV || native || guests.iter().any(|guest| guest.tag == tag && guest.role == Some(Role::Value))
    }
}
