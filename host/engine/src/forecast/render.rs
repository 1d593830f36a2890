//! A forecast for a person: the whole, and the two lines at the start of a run.

use super::{Forecast, FurtherForecast, ModelForecast, Range, Why};
use crate::machine::shown_bytes;
use crate::prices::{Money, Travel};
use indicatif::{HumanCount, HumanDuration};
use std::fmt::Write as _;
use std::time::Duration;

/// The whole.
#[must_use]
pub fn render(forecast: &Forecast) -> String {
    let mut text = String::new();
    let about = about(forecast);
    let mut line = |name: &str, told: String| {
        let _ = writeln!(text, "{name:12} {told}");
    };
    line(
        "experiment",
        format!("{}, {} configs", forecast.experiment, forecast.configs),
    );
    line("trials", HumanCount(forecast.trials).to_string());
    let basis = match forecast.built < forecast.trials {
        true => format!(" (from the first {} trials)", HumanCount(forecast.built)),
        false => " (every first prompt was built)".to_owned(),
    };
    line(
        "requests",
        format!(
            "{about}{} different ones{basis}",
            HumanCount(forecast.requests)
        ),
    );
    if forecast.unbuildable > 0 {
        line(
            "",
            format!(
                "{about}{} trials ask nothing: their prompt cannot be built",
                HumanCount(forecast.unbuildable)
            ),
        );
    }
    line("in the store", stored(forecast));
    line(
        "to be asked",
        format!("{about}{}", HumanCount(forecast.missing)),
    );
    for model in &forecast.models {
        line("model", told(model));
    }
    for row in &forecast.further {
        let (name, told) = told_further(row);
        line(name, told);
    }
    let (guess, with) = match forecast.further.as_slice() {
        [] => ("", ""),
        _ => ("about ", ", later turns and judges with it"),
    };
    line(
        "cost",
        format!(
            "{guess}{} live, {} in batches{with}",
            cost(forecast.cost_live),
            cost(forecast.cost_batch)
        ),
    );
    line(
        "",
        format!(
            "by {}, taken {}",
            forecast.prices.name, forecast.prices.taken
        ),
    );
    line("lane", format!("{}: {}", lane(forecast), forecast.lane.why));
    if let Some(batches) = forecast.batches {
        line("batches", format!("{batches}, each within a day"));
    }
    line(
        "duration",
        format!(
            "{} live ({})",
            duration(forecast.seconds_live),
            forecast.supposes
        ),
    );
    line(
        "memory",
        format!("{} at most", shown_bytes(forecast.memory)),
    );
    line("disk", shown_bytes(forecast.disk));
    text
}

/// One line.
#[must_use]
pub fn short(forecast: &Forecast) -> String {
    let about = about(forecast);
    if forecast.missing == 0 {
        return format!(
            "plan: {} trials, nothing to be asked",
            HumanCount(forecast.trials)
        );
    }
    let sum = |why| {
        let rows = forecast.further.iter().filter(|row| row.why == why);
        rows.map(|row| row.requests.expected).sum::<u64>()
    };
    let mut further = String::new();
    if sum(Why::LaterTurns) > 0 {
        let _ = write!(
            further,
            ", at least {} in later turns",
            HumanCount(sum(Why::LaterTurns))
        );
    }
    if sum(Why::Judges) > 0 {
        let _ = write!(
            further,
            ", about {} of judges",
            HumanCount(sum(Why::Judges))
        );
    }
    format!(
        "plan: {} trials, {about}{} requests, {} in the store, {about}{} to be asked {}{further}; {}, {}, {} of memory",
        HumanCount(forecast.trials),
        HumanCount(forecast.requests),
        stored(forecast),
        HumanCount(forecast.missing),
        lane(forecast),
        cost(forecast.cost_live),
        duration(forecast.seconds_live),
        shown_bytes(forecast.memory)
    )
}

fn about(forecast: &Forecast) -> &'static str {
    if forecast.built < forecast.trials {
        "about "
    } else {
        ""
    }
}

fn stored(forecast: &Forecast) -> String {
    forecast.stored.map_or_else(
        || "unknown (there is no store yet, or another process holds it)".to_owned(),
        |stored| format!("{}{}", about(forecast), HumanCount(stored)),
    )
}

/// What later turns ask is a lower bound: real answers may lead on. What judges are asked is a guess.
fn told_further(row: &FurtherForecast) -> (&'static str, String) {
    let (name, requests) = match row.why {
        Why::LaterTurns => (
            "later turns",
            format!("at least {}", HumanCount(row.requests.expected)),
        ),
        Why::Judges => (
            "judges",
            format!(
                "about {} ({} … {})",
                HumanCount(row.requests.expected),
                HumanCount(row.requests.low),
                HumanCount(row.requests.high)
            ),
        ),
    };
    let told = format!(
        "{requests} requests to {} at {}, tokens in {}, out {}; {}",
        row.model,
        row.endpoint,
        tokens(row.tokens_in),
        tokens(row.tokens_out),
        price(row.priced_as.as_deref())
    );
    (name, told)
}

fn price(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("priced as `{name}`"),
        None => "price unknown, which is not nothing: see `xhost prices`".to_owned(),
    }
}

fn told(model: &ModelForecast) -> String {
    let price = price(model.priced_as.as_deref());
    format!(
        "{} at {}: {} requests, tokens in {}, out {}; {price}",
        model.model,
        model.endpoint,
        HumanCount(model.missing),
        tokens(model.tokens_in),
        tokens(model.tokens_out)
    )
}

fn tokens(range: Range<u64>) -> String {
    format!(
        "{} ({} … {})",
        HumanCount(range.expected),
        HumanCount(range.low),
        HumanCount(range.high)
    )
}

fn cost(range: Option<Range<Money>>) -> String {
    range.map_or_else(
        || "unknown cost".to_owned(),
        |range| format!("{} ({} … {})", range.expected, range.low, range.high),
    )
}

fn lane(forecast: &Forecast) -> &'static str {
    match forecast.lane.lane {
        Travel::Live => "live",
        Travel::Batch => "in batches",
    }
}

fn duration(seconds: f64) -> String {
    HumanDuration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).to_string()
}
