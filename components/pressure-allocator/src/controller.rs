//! When to squeeze, when to give back, and when to wait.
//!
//! The rule is that of additive increase and multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease
//! algorithms for congestion avoidance in computer networks", 1989), which shares fairly and does not swing up, with a band below
//! the target in which nothing changes, and with a memory of the level at which the pressure came back (`limit.rs`).

use crate::policy::Config;
use crate::signal::Reading;

/// Multiple of the target that one tick alone may show and be believed.
const URGENT: f64 = 2.0;
/// Ticks that a squeeze for less wants to have seen, and one after a change that takes time to show.
const AGREED: usize = 2;
/// Ticks that a step back wants to have seen.
const SURE: usize = 3;
/// A squeeze leaves this part at most, so that something changes.
const GENTLEST: f64 = 0.95;
/// How many times longer than at first a level that proved too high is left alone, at most.
const MOST_PATIENT: u32 = 8;

/// What to do in a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Nothing.
    Hold,
    /// Leave this part of what is there.
    Squeeze(f64),
    /// Give a step back, to so many times of what is there at most.
    Release(f64),
}

/// Remembers what was done when.
#[derive(Default)]
pub(crate) struct Controller {
    /// Ticks since the last squeeze.
    since_squeeze: u32,
    /// Ticks without any signal.
    blind: u32,
    /// Whether the last change needs time to show.
    is_settling: bool,
    /// How many times [`Config::forget`] a level that proved too high is left alone; 0 before the first.
    patience: u32,
    /// Whether something was given back beyond such a level since the last squeeze.
    probing: bool,
    /// Ticks in which nothing is squeezed, since the last squeezes were taken back by somebody.
    pub(crate) resting: u32,
}

impl Controller {
    /// What to do; `has_protected` is whether there is a protected task at all.
    pub(crate) fn decide(&mut self, config: &Config, reading: Option<Reading>, has_protected: bool) -> Step {
        self.since_squeeze = self.since_squeeze.saturating_add(1);
        self.resting = self.resting.saturating_sub(1);
        let Some(Reading { worst, ticks, .. }) = reading else {
            self.blind = if has_protected { self.blind.saturating_add(1) } else { 0 };
            // Nobody is helped by a squeeze that nobody can judge.
            let is_free = !has_protected || self.blind > config.forget;
            return if is_free && self.since_squeeze > config.hold { Step::Release(f64::INFINITY) } else { Step::Hold };
        };
        self.blind = 0;
        let is_urgent = worst > URGENT && !self.is_settling;
        let aim = 1.0 - config.hysteresis / 2.0;
        if worst > 1.0 && (ticks >= AGREED || is_urgent) {
            let least = config.step.min(GENTLEST);
            return Step::Squeeze((aim / worst).clamp(least, GENTLEST));
        }
        let is_calm = worst < 1.0 - config.hysteresis && ticks >= SURE;
        if is_calm && self.since_squeeze > config.hold { Step::Release(aim / worst) } else { Step::Hold }
    }

    /// Something was squeezed; `is_slow` where that needs time to show.
    pub(crate) fn squeezed(&mut self, is_slow: bool) {
        if self.probing {
            self.patience = (self.patience.max(1) * 2).min(MOST_PATIENT);
        }
        (self.since_squeeze, self.is_settling, self.probing) = (0, is_slow, false);
    }

    /// Something was given back; `is_slow` where that needs time to show.
    pub(crate) fn released(&mut self, is_slow: bool, was_probe: bool) {
        self.is_settling = is_slow;
        self.probing |= was_probe;
    }

    /// Nothing is squeezed any more.
    pub(crate) fn all_is_given_back(&mut self) {
        self.patience = 0;
    }

    /// Whether the level at which pressure came back may be tried again.
    pub(crate) fn may_probe(&self, config: &Config) -> bool {
        self.since_squeeze > self.wait(config)
    }

    /// Ticks for which what was in vain is not tried again.
    pub(crate) fn wait(&self, config: &Config) -> u32 {
        config.forget.saturating_mul(self.patience.max(1))
    }

    /// What was learned about levels does not hold any more: tasks have gone.
    pub(crate) fn forget(&mut self, config: &Config) {
        self.patience = 0;
        self.since_squeeze = self.since_squeeze.max(config.forget);
    }
}
