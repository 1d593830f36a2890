//! The interval's promise by simulation, with seeds; and when a run may end.

use super::{Flow, Monitor, Sequence, Until, UntilError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// How many of 400 sequences of 1,500 observations ever have an interval without the truth, and how many have a fixed
/// 95 % interval without it at some look.
fn misses(truth: f64, draw: impl Fn(&mut ChaCha8Rng) -> f64) -> (u32, u32) {
    let (mut sequential, mut fixed) = (0, 0);
    for seed in 0..400 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut sequence = Sequence::default();
        let (mut missed, mut missed_fixed) = (false, false);
        for number in 1..=1_500_u32 {
            sequence.add(draw(&mut random));
            missed |= !sequence.holds(truth);
            let mean = sequence.mean();
            let error = 1.96 * (mean * (1.0 - mean) / f64::from(number)).sqrt();
            missed_fixed |= number >= 30 && (mean - truth).abs() > error;
        }
        sequential += u32::from(missed);
        fixed += u32::from(missed_fixed);
    }
    (sequential, fixed)
}

#[test]
fn the_interval_misses_the_truth_at_no_time_in_95_of_100_sequences() {
    for truth in [0.03, 0.3, 0.5, 0.9] {
        let (missed, fixed) = misses(truth, |random| f64::from(u8::from(unit(random) < truth)));
        // 20 of 400 are allowed.
        assert!(missed <= 20, "{missed} at {truth}");
        // Looking at a fixed interval again and again is what this is for.
        assert!(fixed > 60, "{fixed} at {truth}");
    }
    let (missed, _) = misses(1.0 / 3.0, |random| unit(random).powi(2));
    assert!(missed <= 20, "{missed} of values between 0 and 1");
}

fn after(n: u32, ones: u32) -> Sequence {
    let mut sequence = Sequence::default();
    for number in 0..n {
        sequence.add(f64::from(u8::from(number < ones)));
    }
    sequence
}

#[test]
fn the_interval_is_not_wider_than_it_must_be() {
    assert_eq!(Sequence::default().interval(), (0.0, 1.0));
    // A fixed interval would have 0.0098 with half of 10,000 right.
    let half = after(10_000, 5_000).half_width();
    assert!((0.0098..0.02).contains(&half), "{half}");
    let (low, high) = after(1_000, 1_000).interval();
    assert!(high == 1.0 && low > 0.98, "{low}");
    // The order does not count.
    let (low, high) = after(300, 60).interval();
    assert!(low < 0.2 && 0.2 < high);
    let (mirrored_low, mirrored_high) = after(300, 240).interval();
    assert!(
        (low - (1.0 - mirrored_high)).abs() < 1e-9 && (high - (1.0 - mirrored_low)).abs() < 1e-9
    );
}

#[test]
fn when_to_stop_is_read_as_people_write_it() {
    for text in ["accuracy ± 0.02", "accuracy+-0.02", " accuracy +/- 0.02 "] {
        assert_eq!(
            text.parse(),
            Ok(Until {
                name: "accuracy".into(),
                half_width: 0.02
            }),
            "{text}"
        );
    }
    for text in [
        "",
        "accuracy",
        "± 0.02",
        "accuracy ± 0",
        "accuracy ± 0.5",
        "accuracy ± x",
        "accuracy ± NaN",
    ] {
        assert_eq!(
            text.parse::<Until>(),
            Err(UntilError(text.into())),
            "{text}"
        );
    }
}

/// A line with the score of a trial.
fn line(value: &str) -> Vec<u8> {
    format!(r#"{{"scores":[{{"scorer":"numeric","name":"correct","value":{value}}}]}}"#)
        .into_bytes()
}

/// The row after which a run over two configs ends.
fn end(until: &str, value: impl Fn(u64, usize) -> String) -> Option<u64> {
    let mut monitor = Monitor::over(until.parse().expect("it can be read"), 2, 2);
    (0..2_000).find(|row| {
        let flows = [0, 1].map(|config| {
            monitor.line(row * 2 + config as u64, config, &line(&value(*row, config)))
        });
        assert_eq!(flows[0], Flow::On, "a run ends with a whole row");
        flows[1] == Flow::Enough
    })
}

#[test]
fn a_run_ends_when_every_config_is_narrow_enough() {
    let easy = |row: u64, _| (row.is_multiple_of(20)).to_string();
    let first = end("accuracy ± 0.05", easy).expect("it ends");
    // One config at a half needs more rows, and both wait for it.
    let mixed = |row: u64, config| {
        if config == 0 {
            easy(row, config)
        } else {
            row.is_multiple_of(2).to_string()
        }
    };
    let second = end("accuracy ± 0.05", mixed).expect("it ends");
    assert!(first < second, "{first} {second}");
    assert_eq!(end("numeric ± 0.05", easy), Some(first));
    assert_eq!(end("numeric.correct ± 0.05", easy), Some(first));
    assert_eq!(end("speed ± 0.05", easy), None);
    // A value beyond 1 has no such interval.
    assert_eq!(
        end("accuracy ± 0.05", |row, _| if row == 3 {
            "7".into()
        } else {
            "1".into()
        }),
        None
    );
}
