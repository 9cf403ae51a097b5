//! One limit, and what was learned about it.

/// Between which values a limit moves, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// It is never below.
    pub(crate) floor: f64,
    /// From here on it is none.
    pub(crate) most: f64,
    /// Whether it is none too where it is well above what the task had at first: a share of a large machine would else be
    /// given back for hours that nobody uses.
    pub(crate) is_loose: bool,
    /// It is a multiple of this; 0 where it may be anything.
    pub(crate) grain: f64,
    /// Part of what was there at first that is given back at once.
    pub(crate) release: f64,
}

/// A limit of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    /// What is in force.
    pub(crate) value: f64,
    /// What was there at the first squeeze.
    start: f64,
    /// The lowest value at which the pressure was too high.
    ceiling: Option<f64>,
}

/// What a step back leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Release {
    /// It stays: a step more is where the pressure came back.
    Stays,
    /// This value.
    To(f64),
    /// No limit.
    Lifted,
}

/// Part of all from which on a limit is as good as none: a change of less than 1 % is not written (docs/control.md).
const ALL: f64 = 0.98;

/// Multiple of what a task had at first from which on a limit of it is none.
const LOOSE: f64 = 1.5;

impl Limit {
    /// The limit that leaves `factor` of `had`, which is what the task has or uses now; none where no less is possible.
    pub(crate) fn squeezed(before: Option<Self>, had: f64, factor: f64, scale: &Scale) -> Option<Self> {
        let value = scale.down((had * factor).min(had - scale.grain)).max(scale.floor);
        // Not a number where nothing is known.
        if had.is_nan() || value >= had {
            return None;
        }
        let start = before.map_or(had, |before| before.start);
        let ceiling = before.and_then(|before| before.ceiling).map_or(had, |ceiling| ceiling.min(had));
        Some(Self { value, start, ceiling: Some(ceiling) })
    }

    /// Gives a step back, to `growth` times what is there at most; beyond the ceiling only with `may_probe`.
    pub(crate) fn release(&self, scale: &Scale, growth: f64, may_probe: bool) -> Release {
        let step = (self.start * scale.release).max(scale.grain);
        // The pressure grows no faster than what causes it, or else the next squeeze corrects it. Of what comes in grains, one
        // must be possible.
        let step = if scale.grain == 0.0 { step.min(self.value * (growth - 1.0)) } else { step };
        let value = scale.down(self.value + step);
        if !may_probe && self.ceiling.is_some_and(|ceiling| value > ceiling - 0.5 * step) {
            return Release::Stays;
        }
        let most = if scale.is_loose { scale.most.min(LOOSE * self.start) } else { scale.most };
        if value >= ALL * most { Release::Lifted } else { Release::To(value) }
    }

    /// With this value, and without the ceiling where that is below.
    pub(crate) fn at(self, value: f64) -> Self {
        Self { value, ceiling: self.ceiling.filter(|ceiling| value < *ceiling), ..self }
    }
}

impl Scale {
    fn down(&self, value: f64) -> f64 {
        // A little above, so that 3 * 0.1 is not two steps of 0.1.
        if self.grain > 0.0 { (value / self.grain + 1e-9).floor() * self.grain } else { value }
    }
}
