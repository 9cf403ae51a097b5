//! By which lever: the first that can still do something, as long as it helps.

use wca_guest::log;

use crate::lever::{Given, Means, Squeezed};
use crate::policy::Config;
use crate::requests::Requests;
use crate::signal::Reading;
use crate::view::View;

/// Squeezes by one lever in a row before it must have helped.
const TRIES: u32 = 4;
/// Part of the pressure that it must have taken away by then.
const HELP: f64 = 0.1;
/// How many times longer than at first a lever that did not help is left alone, at most.
const LONGEST: u32 = 32;

/// All levers of the machine, and how far it has come.
#[derive(Default)]
pub(crate) struct Ladder {
    pub(crate) means: Vec<Means>,
    /// The lever that is used.
    at: usize,
    /// The pressure when it was begun with, as multiple of the target.
    began: Option<f64>,
    /// Squeezes by it since then.
    squeezes: u32,
    /// How many times longer than [`Config::forget`] the next lever that does not help is left alone.
    patience: u32,
}

impl Ladder {
    /// With the levers of the configuration that this machine has.
    pub(crate) fn new(config: &Config) -> Self {
        let (here, lacking): (Vec<_>, Vec<_>) = config.levers.iter().copied().partition(|lever| lever.is_here());
        for lever in lacking {
            log::info!("{}: this machine does not have it", lever.kind());
        }
        if here.is_empty() {
            log::warn!("none of the levers is here: nothing can be squeezed");
        }
        Self { means: here.into_iter().map(Means::new).collect(), ..Self::default() }
    }

    /// Whether anything is limited.
    pub(crate) fn is_in_force(&self) -> bool {
        self.means.iter().any(Means::is_in_force)
    }

    /// Leaves `factor` of what best-effort tasks have by one lever, while the pressure is this. The answer is whether that needs
    /// time to show, none where nothing more can be taken.
    pub(crate) fn squeeze(
        &mut self,
        factor: f64,
        Reading { worst, is_full, .. }: Reading,
        view: &View<'_>,
        requests: &mut Requests,
    ) -> Option<bool> {
        while let Some(means) = self.means.get_mut(self.at) {
            if view.tick >= means.useless_until {
                let is_as_before = self.began.is_some_and(|began| worst > began * (1.0 - HELP));
                let is_in_vain = self.squeezes > 0 && is_as_before && !is_full;
                let is_given_up = is_in_vain && self.squeezes >= TRIES;
                let squeezed = if is_given_up { Squeezed::Nothing } else { means.squeeze(factor, view, requests) };
                if squeezed == Squeezed::Done {
                    self.began.get_or_insert(worst);
                    self.squeezes += 1;
                    return Some(means.is_slow());
                }
                if is_in_vain && squeezed == Squeezed::Nothing {
                    self.patience = (self.patience * 2).clamp(1, LONGEST);
                    let ticks = view.config.forget.saturating_mul(self.patience);
                    let kind = means.lever.kind();
                    log::info!(
                        "{kind} does not help: it is given back, and tried again in {ticks} ticks at the earliest"
                    );
                    means.lift(view, requests);
                    means.useless_until = view.tick + u64::from(ticks);
                }
            }
            self.begin_at(self.at + 1);
        }
        // From the first again, when one may be tried once more.
        self.begin_at(0);
        None
    }

    /// The pressure is not too high any more: what was squeezed has helped.
    pub(crate) fn helped(&mut self) {
        (self.began, self.squeezes) = (None, 0);
    }

    /// Gives a step back, of the lever that was squeezed last.
    pub(crate) fn release(
        &mut self,
        view: &View<'_>,
        growth: f64,
        may_probe: bool,
        requests: &mut Requests,
    ) -> (Given, bool) {
        let Some(last) = self.means.iter().rposition(Means::is_in_force) else { return (Given::default(), false) };
        self.begin_at(last);
        let means = &mut self.means[last];
        let given = means.release(view, growth, may_probe, requests);
        let is_slow = means.is_slow();
        if !self.is_in_force() {
            self.patience = 0;
        }
        (given, is_slow)
    }

    fn begin_at(&mut self, at: usize) {
        self.at = at;
        self.helped();
    }
}
