//! The judgement, by tables, and over noise from seeds.

use proptest::prelude::*;
use proptest::test_runner::Config;
use rstest::rstest;

use super::*;

const WINDOW: Duration = Duration::from_secs(20);

fn protect(signal: Signal, worse: Worse) -> Protect {
    Protect { worse, window: WINDOW, ..Protect::of("p", signal) }
}

/// Another line of the file is no other guard, and anything else is.
#[test]
fn where_it_stands_in_the_file_makes_no_difference() {
    let one = protect(Signal::PsiCpu, Worse::Higher);
    assert!(one.is_same(&Protect { place: "c.yaml:2".into(), ..one.clone() }));
    let others = [
        Protect { name: "q".into(), ..one.clone() },
        Protect { cgroups: vec!["/a".into()], ..one.clone() },
        Protect { worsening: 0.3, ..one.clone() },
        Protect { window: WINDOW * 2, ..one.clone() },
        Protect { compare_with: CompareWith::Peers, ..one.clone() },
    ];
    for other in others {
        assert!(!one.is_same(&other), "{other:?}");
    }
}

fn level(median: f64) -> Level {
    Level { median, error: 0.0 }
}

/// Without any ups and downs.
fn steady(median: f64) -> Baseline {
    Baseline { level: level(median), peak: median }
}

#[rstest]
#[case::worse(Signal::PsiCpu, Worse::Higher, 0.10, 0.30, true)]
#[case::better(Signal::PsiCpu, Worse::Higher, 0.30, 0.10, false)]
#[case::below_the_floor(Signal::PsiCpu, Worse::Higher, 0.01, 0.05, false)]
#[case::from_nothing(Signal::PsiCpu, Worse::Higher, 0.0, 0.06, true)]
#[case::within_the_worsening(Signal::PsiCpu, Worse::Higher, 0.60, 0.70, false)]
#[case::beyond_it(Signal::PsiCpu, Worse::Higher, 0.60, 0.73, true)]
#[case::cycles(Signal::Cpi, Worse::Higher, 1.0, 1.3, true)]
#[case::few_cycles(Signal::Cpi, Worse::Higher, 0.3, 0.39, false)]
#[case::instructions(Signal::Metric("task_instructions".into()), Worse::Lower, 1e9, 0.8e9, true)]
#[case::instructions_within(Signal::Metric("task_instructions".into()), Worse::Lower, 1e9, 0.84e9, false)]
#[case::more_instructions(Signal::Metric("task_instructions".into()), Worse::Lower, 1e9, 2e9, false)]
#[case::nothing_at_all(Signal::Metric("task_instructions".into()), Worse::Lower, 0.0, 0.0, false)]
fn a_task_alone(
    #[case] signal: Signal,
    #[case] worse: Worse,
    #[case] before: f64,
    #[case] after: f64,
    #[case] is: bool,
) {
    let found = protect(signal, worse).judge(steady(before), level(after), &[]);
    assert_eq!(found.map(|found| (found.before, found.after)), is.then_some((before, after)));
}

#[rstest]
#[case::all_got_worse(&[(0.10, 0.50), (0.12, 0.55)], false)]
#[case::most_got_worse(&[(0.10, 0.50), (0.12, 0.55), (0.10, 0.10)], false)]
#[case::nobody_else(&[(0.10, 0.10), (0.30, 0.28), (0.0, 0.0)], true)]
#[case::others_got_better(&[(0.40, 0.10), (0.30, 0.0)], true)]
#[case::a_bit(&[(0.10, 0.14), (0.10, 0.15)], true)]
fn with_peers(#[case] peers: &[(f64, f64)], #[case] is: bool) {
    let peers: Vec<(Baseline, Level)> = peers.iter().map(|(before, after)| (steady(*before), level(*after))).collect();
    let found = protect(Signal::PsiCpu, Worse::Higher).judge(steady(0.10), level(0.45), &peers);
    assert_eq!(found.is_some(), is, "{found:?}");
}

#[test]
fn peers_of_a_metric_without_a_floor_that_had_nothing_say_nothing() {
    let protect = protect(Signal::Metric("task_io_reads".into()), Worse::Higher);
    let found = protect.judge(steady(10.0), level(20.0), &[(steady(0.0), level(5.0)), (steady(0.0), level(0.0))]);
    assert_eq!(found, Some(Regression { before: 10.0, expected: 10.0, after: 20.0 }));
}

#[test]
fn what_varies_must_differ_by_more() {
    let protect = protect(Signal::PsiCpu, Worse::Higher);
    let noisy = |median| Level { median, error: 0.05 };
    let before = Baseline { level: noisy(0.1), peak: 0.1 };
    assert_eq!(protect.judge(before, noisy(0.35), &[]), None);
    assert!(protect.judge(before, noisy(0.45), &[]).is_some());
    let before = Baseline { peak: 0.45, ..before };
    assert_eq!(protect.judge(before, noisy(0.45), &[]), None, "as it is by itself now and then");
    assert!(protect.judge(before, noisy(0.46), &[]).is_some());
    assert_eq!(protect.judge(before, noisy(0.46), &[(steady(0.1), level(0.12))]), None, "a bit worse for all");
}

#[test]
fn a_level_is_of_three_numbers_at_least() {
    assert_eq!(Level::of([1.0, 2.0, f64::NAN, f64::INFINITY]), None);
    assert_eq!(Level::of([3.0, f64::NAN, 3.0, 3.0]), Some(level(3.0)));
    let found = Level::of([1.0, 2.0, 3.0, 4.0, 100.0]).unwrap();
    // The median of the deviations 2, 1, 0, 1 and 97 is 1; four samples count as one.
    assert!(found.median == 3.0 && (found.error - 1.2533 * 1.4826 / (5.0_f64 / 4.0).sqrt()).abs() < 1e-12, "{found:?}");
    assert_eq!(Level::of([1.0, 2.0, 3.0, 4.0]).unwrap().median, 2.5);
}

/// One sample a second.
fn series(values: impl IntoIterator<Item = f64>) -> Vec<(Duration, f64)> {
    (1..).map(Duration::from_secs).zip(values).collect()
}

#[test]
fn the_worst_of_four_windows_is_what_was_before() {
    let of = |worse, values: &[(usize, f64)]| {
        let samples = series(values.iter().flat_map(|(times, value)| std::iter::repeat_n(*value, *times)));
        let end = samples.last().unwrap().0;
        protect(Signal::PsiCpu, worse).baseline(&samples.iter().copied(), end).map(|before| before.level.median)
    };
    assert_eq!(of(Worse::Higher, &[(20, 0.9), (20, 0.1), (20, 0.4), (20, 0.2), (20, 0.3)]), Some(0.4));
    assert_eq!(of(Worse::Lower, &[(20, 0.0), (20, 0.1), (20, 0.4), (20, 0.2), (20, 0.3)]), Some(0.1));
    assert_eq!(of(Worse::Higher, &[(1, 0.9), (1, 0.2), (1, 0.3)]), Some(0.3), "as long as there is");
    assert_eq!(of(Worse::Higher, &[(1, 0.9), (1, 0.2)]), None);
    // What was not taken, since it was taken while changes were in force that were undone, leaves the windows before it.
    let samples = series(std::iter::repeat_n(0.5, 20));
    let later = Duration::from_secs(45);
    let found = protect(Signal::PsiCpu, Worse::Higher).baseline(&samples.iter().copied(), later);
    assert_eq!(found.map(|before| before.level.median), Some(0.5));
}

#[test]
fn nine_of_ten_samples_are_better_than_the_peak() {
    let samples = series((1..=30).map(f64::from));
    let peak = |worse, end| {
        let before = protect(Signal::PsiCpu, worse).baseline(&samples.iter().copied(), Duration::from_secs(end));
        before.map(|before| before.peak)
    };
    assert_eq!((peak(Worse::Higher, 30), peak(Worse::Lower, 30)), (Some(27.0), Some(4.0)));
    assert_eq!((peak(Worse::Higher, 3), peak(Worse::Higher, 2)), (Some(3.0), None));
}

/// Noise of a load that comes and goes: each sample keeps a part of the one before it, and bursts are on top, which begin and end by
/// chance.
struct Noise {
    state: u64,
    level: f64,
    burst: bool,
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, level: 0.0, burst: false }
    }

    /// From 0 to 1 (xorshift64*, Vigna 2016).
    fn uniform(&mut self) -> f64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        f64::from(u32::try_from(bits).unwrap()) / f64::from(1_u32 << 24)
    }

    fn sample(&mut self, mean: f64, noise: f64) -> f64 {
        let draw: f64 = (0..6).map(|_| self.uniform() - 0.5).sum();
        self.level = 0.5 * self.level + noise * draw;
        // A burst lasts for three samples on average, and there is one in about 13 of them.
        let chance = if self.burst { 1.0 / 3.0 } else { 0.1 };
        if self.uniform() < chance {
            self.burst = !self.burst;
        }
        (mean + self.level + if self.burst { 3.0 * noise } else { 0.0 }).clamp(0.0, 1.0)
    }
}

/// What is judged of a task whose signal goes from one mean to another after four windows, and of its peers, which stay.
fn judged(seed: u64, noise: f64, means: (f64, f64), with_peers: bool) -> Option<Regression> {
    let protect = protect(Signal::PsiCpu, Worse::Higher);
    let end = WINDOW * BASELINE_WINDOWS;
    let levels = |seed: u64, means: (f64, f64)| {
        let mut source = Noise::new(seed);
        let all = series((0..100).map(|at| source.sample(if at < 80 { means.0 } else { means.1 }, noise)));
        let before = protect.baseline(&all.iter().copied(), end);
        let after = Level::of(all.iter().filter(|(at, _)| *at > end).map(|(_, value)| *value));
        (before.unwrap(), after.unwrap())
    };
    let (before, after) = levels(seed, means);
    let peers: Vec<_> = (1..=3).map(|peer| levels(seed ^ (peer << 40), (means.0, means.0))).collect();
    protect.judge(before, after, if with_peers { &peers } else { &[] })
}

/// Bursts of 0.15 that last for three samples on average and are a quarter of them: the figures of docs/guard.md.
#[test]
fn bursts_look_like_harm_in_one_of_two_thousand_windows() {
    let found = |after: f64, with_peers: bool| {
        (0..20_000).filter(|seed| judged(*seed, 0.05, (0.1, after), with_peers).is_some()).count()
    };
    assert_eq!((found(0.1, false), found(0.1, true)), (9, 8));
    let seen = found(0.7, false);
    assert!(seen >= 19_000, "{seen}");
}

proptest! {
    #![proptest_config(Config { cases: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn noise_alone_is_never_a_regression(seed in any::<u64>(), mean in 0.0..0.9_f64, noise in 0.0..0.012_f64, peers in any::<bool>()) {
        prop_assert_eq!(judged(seed, noise, (mean, mean), peers), None);
    }

    #[test]
    fn what_is_far_worse_is_one_in_any_noise(seed in any::<u64>(), mean in 0.0..0.2_f64, noise in 0.0..0.03_f64, peers in any::<bool>()) {
        prop_assert!(judged(seed, noise, (mean, mean + 0.6), peers).is_some());
    }

    #[test]
    fn whatever_the_numbers_are_a_regression_is_worse(
        before in proptest::collection::vec(any::<f64>(), 0..8),
        after in proptest::collection::vec(any::<f64>(), 0..8),
        is_higher in any::<bool>(),
    ) {
        let worse = if is_higher { Worse::Higher } else { Worse::Lower };
        if let (Some(before), Some(after)) = (protect(Signal::PsiCpu, worse).baseline(&series(before).iter().copied(), WINDOW), Level::of(after))
            && let Some(found) = protect(Signal::PsiCpu, worse).judge(before, after, &[])
        {
            prop_assert!(if is_higher { found.after > found.before } else { found.after < found.before }, "{:?}", found);
        }
    }
}
