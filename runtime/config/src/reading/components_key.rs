//! The key `components`: what is said of WebAssembly components as such.

use super::arguments::Owner;
use super::spot::Spot;
use super::suggest::{did_you_mean, nearest};
use super::{Reader, Value};
use crate::definitions::{DELIVERY, Kind, definition, delivery};
use crate::model::ComponentEntry;
use crate::node::{Content, Entry, Place};
use wca_model::DeliveryTerms;

impl Reader<'_> {
    /// Reads the key `components`.
    pub(super) fn read_components(&mut self, entry: &Entry) {
        let Content::Map(components) = &entry.value.content else {
            let what = "`components` must be a mapping from tags to what is said of each".to_owned();
            let help = "such as: components: {HTTPStorage: {path: /usr/lib/wca/http_storage.wasm}}".to_owned();
            return self.error_with_help(&entry.value.place, what, help);
        };
        for component in components {
            let component = self.read_component(component);
            self.components.extend(component);
        }
    }

    fn read_component(&mut self, entry: &Entry) -> Option<ComponentEntry> {
        let tag = &entry.key.text;
        let spot = Spot::new(&format!("components.{tag}"), None, Some(&entry.place));
        if definition(tag).is_some() {
            self.error(&entry.place, format!("`{tag}` is part of this program, and no WebAssembly component"));
            return None;
        }
        let mut component = ComponentEntry {
            tag: tag.clone(),
            place: entry.place.clone(),
            path: None,
            allow_http: Vec::new(),
            delivery: None,
            limits: Vec::new(),
        };
        let errors_before = self.errors.len();
        if let Content::Map(settings) = &entry.value.content {
            let of_delivery = |setting: &&Entry| DELIVERY.iter().any(|known| known.name == setting.key.text);
            let (of_delivery, others): (Vec<&Entry>, Vec<&Entry>) = settings.iter().partition(of_delivery);
            for setting in others {
                self.read_setting(&mut component, setting, &spot.member(&setting.key.text, &setting.place));
            }
            component.delivery = self.read_delivery(tag, &entry.place, of_delivery);
        } else {
            let what = format!("{spot} must be a mapping, but this is {}", entry.value.describe());
            self.error_with_help(
                &entry.value.place,
                what,
                "its keys: path, allow_http, names of limits, and of a storage on_failure, queue_batches and \
                                                                  retry_timeout_in_seconds"
                    .into(),
            );
        }
        if self.errors.len() > errors_before {
            // It stays known, so that its use is not an error as well.
            component.path.get_or_insert_with(|| (String::new(), entry.place.clone()));
        } else if component.path.is_none() && !self.may_be_guest(tag) {
            let near = did_you_mean(&nearest(tag, self.guest_tags(None)), "");
            let help = near.unwrap_or_else(|| "name its file: `path: FILE.wasm`".into());
            self.error_with_help(&entry.place, format!("no component is known by the tag `{tag}`"), help);
        }
        Some(component)
    }

    fn read_delivery(&mut self, tag: &str, place: &Place, settings: Vec<&Entry>) -> Option<DeliveryTerms> {
        if settings.is_empty() {
            return None;
        }
        let settings: Vec<Entry> = settings.into_iter().cloned().collect();
        let owner = Owner { tag, place, parameters: DELIVERY, also: Vec::new() };
        delivery(&mut self.arguments(&owner, &settings))
    }

    fn read_setting(&mut self, component: &mut ComponentEntry, setting: &Entry, spot: &Spot) -> Option<()> {
        let text = |value| match value {
            Value::Text(text, place) => Some((text, place)),
            _ => None,
        };
        match setting.key.text.as_str() {
            "path" => {
                let kind = Kind::Path { absolute: false, readable: false };
                component.path = Some(text(self.check(&setting.value, &kind, spot)?)?);
            }
            "allow_http" => {
                let Value::List(origins) = self.check(&setting.value, &Kind::List(&Kind::Text), spot)? else {
                    return None;
                };
                component.allow_http = origins.into_iter().map(text).collect::<Option<Vec<(String, Place)>>>()?;
            }
            name => match &setting.value.content {
                Content::Scalar(scalar) if !scalar.is_null() => {
                    component.limits.push((name.into(), scalar.text.clone(), setting.value.place.clone()));
                }
                _ => {
                    let what = format!("{spot} must be a limit such as 64Mi, 5s or 1000000");
                    self.error(spot.place_of(&setting.value), what);
                    return None;
                }
            },
        }
        Some(())
    }
}
