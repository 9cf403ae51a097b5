//! When to squeeze, when to give back, and when to wait.
//!
//! The rule is that of additive increase and multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease
//! algorithms for congestion avoidance in computer networks", 1989), which shares fairly and does not swing up, with a band below
//! the target in which nothing changes, and with a memory of the level at which the pressure came back (`limit.rs`).

use crate::policy::Config;
use crate::signal::Reading;

/// Multiple of the target that one tick alone may show and be believed.
const URGENT: f64 = 2.0;
/// Multiple of the target that two ticks may show and be believed when all was well before.
const CLEAR: f64 = 1.25;
/// Ticks that a squeeze for less wants to have seen, and one after a change that takes time to show.
const AGREED: usize = 2;
/// Ticks that a step back wants to have seen.
const SURE: usize = 3;
/// A squeeze leaves this part at most, so that something changes.
const GENTLEST: f64 = 0.95;
/// How many times longer than at first a level that proved too high is left alone, at most.
const MOST_PATIENT: u32 = 32;

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
    /// Whether the pressure has been within its target since it was last clearly above: then what is slightly above or below is
    /// taken for noise until the mean says so too.
    is_settled: bool,
    /// Ticks without any signal.
    blind: u32,
    /// Whether the last change needs time to show.
    is_slow: bool,
    /// How many times [`Config::forget`] a level that proved too high is left alone; 0 before the first.
    patience: u32,
    /// Whether something was given back beyond such a level since the last squeeze.
    probing: bool,
    /// Whether tasks have gone since the last squeeze, so that such a level may be tried before its time.
    is_renewed: bool,
    /// Ticks since tasks that had gone were the last to allow that; none before the first.
    since_renewed: Option<u32>,
    /// Ticks in which nothing is squeezed, since the last squeezes were taken back by somebody.
    pub(crate) resting: u32,
}

impl Controller {
    /// What to do; `has_protected` is whether there is a protected task at all.
    pub(crate) fn decide(&mut self, config: &Config, reading: Option<Reading>, has_protected: bool) -> Step {
        self.since_squeeze = self.since_squeeze.saturating_add(1);
        self.resting = self.resting.saturating_sub(1);
        self.since_renewed = self.since_renewed.map(|ticks| ticks.saturating_add(1));
        let Some(Reading { worst, mean, ticks, .. }) = reading else {
            self.blind = if has_protected { self.blind.saturating_add(1) } else { 0 };
            // Nobody is helped by a squeeze that nobody can judge.
            let is_free = !has_protected || self.blind > config.forget;
            return if is_free && self.since_squeeze > config.hold { Step::Release(f64::INFINITY) } else { Step::Hold };
        };
        self.blind = 0;
        // Into the middle of the band in the mean, so that noise goes over neither of its ends; to its lower end in haste.
        let aim = 1.0 - config.hysteresis / 4.0;
        let safe_aim = 1.0 - config.hysteresis / 2.0;
        let squeeze = |part: f64| Step::Squeeze(part.clamp(config.step.min(GENTLEST), GENTLEST));
        let much = if self.is_settled { CLEAR } else { 1.0 };
        let is_urgent = worst > URGENT && !self.is_slow;
        if is_urgent || worst > much && ticks >= AGREED {
            self.is_settled = false;
            return squeeze(safe_aim / worst);
        }
        self.is_settled |= worst <= 1.0 && ticks >= SURE;
        if let Some(mean) = mean.filter(|mean| *mean > 1.0) {
            return squeeze(aim / mean);
        }
        if self.since_squeeze <= config.hold {
            return Step::Hold;
        }
        let is_far_below = worst < 1.0 - config.hysteresis && ticks >= SURE;
        let below = mean.filter(|mean| *mean < safe_aim).or(is_far_below.then_some(worst));
        below.map_or(Step::Hold, |below| Step::Release(aim / below))
    }

    /// Something was squeezed; `is_slow` where that needs time to show.
    pub(crate) fn squeezed(&mut self, is_slow: bool) {
        if self.probing {
            self.patience = (self.patience.max(1) * 2).min(MOST_PATIENT);
        }
        (self.since_squeeze, self.is_slow, self.probing, self.is_renewed) = (0, is_slow, false, false);
    }

    /// Something was given back; `is_slow` where that needs time to show.
    pub(crate) fn released(&mut self, is_slow: bool, was_probe: bool) {
        self.is_slow = is_slow;
        self.probing |= was_probe;
    }

    /// Nothing is squeezed any more.
    pub(crate) fn all_is_given_back(&mut self) {
        self.patience = 0;
    }

    /// Whether the level at which pressure came back may be tried again. Without a signal it says nothing: it is not known whether it
    /// would come back.
    pub(crate) fn may_probe(&self, config: &Config, has_signal: bool) -> bool {
        !has_signal || self.is_renewed || self.has_waited(config)
    }

    /// Whether there was no squeeze for so long that such a level is tried again.
    pub(crate) fn has_waited(&self, config: &Config) -> bool {
        self.since_squeeze > self.wait(config)
    }

    /// Ticks for which what was in vain is not tried again.
    pub(crate) fn wait(&self, config: &Config) -> u32 {
        config.forget.saturating_mul(self.patience.max(1))
    }

    /// Tasks have gone, so that what was learned about levels may not hold any more: it is tried before its time. Once in that time at
    /// most: where tasks come and go all the time, it would be tried all the time.
    pub(crate) fn tasks_have_gone(&mut self, config: &Config) {
        if self.since_renewed.is_none_or(|ticks| ticks > self.wait(config)) {
            (self.is_renewed, self.since_renewed) = (true, Some(0));
        }
    }
}
