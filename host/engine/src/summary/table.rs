//! The table at the end of a run.

use super::{ConfigSummary, ScorerSummary, Summary};
use crate::prices::Money;
use crate::text::{settings, thousands};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use std::fmt::Write as _;

/// A line below the header and none else: a sweep has many rows.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A row for each config and measure, and the totals below.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let swept = summary
        .configs
        .iter()
        .any(|config| !config.config.is_empty());
    let mut table = Table::new();
    table.load_style(STYLE);
    let mut header = vec![
        "scorer",
        "n",
        "mean",
        "stderr",
        "95 %",
        "failed",
        "hits",
        "calls",
        "tokens in",
        "tokens out",
        "cost",
    ];
    if swept {
        header.insert(0, "config");
    }
    let columns = header.len();
    table.set_header(header);
    for config in &summary.configs {
        for (index, scorer) in config.scorers.iter().enumerate() {
            table.add_row(row(config, scorer, swept, index == 0));
        }
    }
    let first_number = if swept { 2 } else { 1 };
    for index in first_number..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n\n{}", totals(summary))
}

/// What is the config's own stands in its first row only.
fn row(config: &ConfigSummary, scorer: &ScorerSummary, swept: bool, first: bool) -> Vec<String> {
    let own = |text: String| if first { text } else { String::new() };
    let label = match &scorer.name {
        Some(name) => format!("{} {name}", scorer.scorer),
        None => scorer.scorer.clone(),
    };
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.4}"));
    let interval = |(low, high): (f64, f64)| format!("{low:.3} … {high:.3}");
    let mean = if scorer.labels.is_empty() {
        number(scorer.mean)
    } else {
        labels(scorer)
    };
    let mut row = vec![
        label,
        thousands(scorer.n),
        mean,
        number(scorer.stderr),
        scorer.interval.map_or_else(|| "-".into(), interval),
        thousands(scorer.failures),
        own(thousands(config.origins.hits)),
        own(thousands(config.origins.calls)),
        own(thousands(config.tokens.input)),
        own(thousands(config.tokens.output)),
        own(config
            .cost_usd
            .map_or_else(|| "unknown".into(), |cost| cost.to_string())),
    ];
    if swept {
        row.insert(0, own(settings(&config.config, "\n")));
    }
    row
}

fn labels(scorer: &ScorerSummary) -> String {
    scorer
        .labels
        .iter()
        .map(|(label, count)| format!("{label} {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn totals(summary: &Summary) -> String {
    let totals = &summary.totals;
    let mut text = format!(
        "{} trials, {} failed; {} answers from the store, {} shared, {} calls, {} retries; {:.1} s",
        thousands(totals.trials),
        thousands(totals.failures),
        thousands(totals.hits),
        thousands(totals.shared),
        thousands(totals.calls),
        thousands(totals.retries),
        totals.seconds,
    );
    match totals.cost_usd {
        Some(cost) if cost != Money::default() => drop(write!(text, "; {cost}")),
        Some(_) => {}
        None => text.push_str("; cost unknown"),
    }
    if let Some(bytes) = totals.peak_memory_bytes {
        let _ = write!(text, "; {} MiB at most", bytes >> 20);
    }
    if let Some(until) = &summary.until {
        let (name, half_width) = (&until.until.name, until.until.half_width);
        let _ = match (&until.trouble, until.reached) {
            (Some(trouble), _) => write!(text, "\nnot ended early: {trouble}"),
            (None, true) => write!(
                text,
                "\nended early: {name} ± {half_width} after {} samples",
                thousands(until.samples)
            ),
            (None, false) => write!(
                text,
                "\n{name} ± {half_width} was not reached in {} samples",
                thousands(until.samples)
            ),
        };
    }
    if let Some(digest) = &summary.run_digest {
        let _ = write!(text, "\nrun digest {digest}");
    }
    text
}
