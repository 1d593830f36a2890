//! Prices against numbers worked out by hand; `tests/prices.rs` holds them against litellm itself.

use super::{Money, Table, Travel, Whereabouts, key};
use crate::record::Usage;

fn tokens(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        ..Usage::default()
    }
}

#[test]
fn a_decimal_number_is_read_without_losing_a_digit() {
    for (text, units) in [
        ("1.5e-07", Some(150_000)),
        ("0.000003", Some(3_000_000)),
        ("3e-06", Some(3_000_000)),
        ("0", Some(0)),
        ("0.0", Some(0)),
        ("20", Some(20_000_000_000_000)),
        // As floating-point arithmetic wrote it into the table.
        ("1.0000000000000001e-07", Some(100_000)),
        ("2.857142857142857e-07", Some(285_714)),
        ("1e-40", Some(0)),
        ("1e40", None),
        ("-1", None),
        ("", None),
        ("NaN", None),
        ("1e999999999999", None),
        ("1e-2147483648", Some(0)),
    ] {
        assert_eq!(
            super::money::decimal(text).map(|money| money.0),
            units,
            "{text}"
        );
    }
}

#[test]
fn an_amount_is_written_as_people_write_it() {
    for text in ["20usd", "20 USD", "$20", "20", "20.00usd"] {
        assert_eq!(
            Money::from_written(text),
            Ok(Money(20_000_000_000_000)),
            "{text}"
        );
    }
    for text in ["", "usd", "0", "-3usd", "20eur", "1e3usd", "99999999999"] {
        assert!(Money::from_written(text).is_err(), "{text}");
    }
    assert_eq!(Money(450_000_000).dollars(), "0.00045");
    assert_eq!(Money(20_000_000_000_000).dollars(), "20");
    assert_eq!(Money(12_345_678_000_000).to_string(), "$12.35");
    assert_eq!(Money(450_000_000).to_string(), "$0.0005");
    assert_eq!(
        serde_json::to_string(&Money(450_000_000)).expect("JSON"),
        "0.00045"
    );
}

#[test]
fn a_known_model_costs_what_its_provider_says() {
    let table = Table::embedded();
    assert!(table.len() > 500, "{}", table.len());
    // Which looks at every entry, as it does with a user's table.
    let whole = Table::parse(include_bytes!("../../data/prices.json")).expect("all of it is one");
    assert_eq!(whole.len(), table.len());
    let mini = table.price("gpt-4o-mini").expect("it is known");
    assert_eq!(
        mini.cost(&tokens(1_000, 500), Travel::Live).dollars(),
        "0.00045"
    );
    assert_eq!(
        mini.cost(&tokens(1_000, 500), Travel::Batch).dollars(),
        "0.000225"
    );
    let cached = Usage {
        cache_read: 600,
        ..tokens(1_000, 0)
    };
    assert_eq!(mini.cost(&cached, Travel::Live).dollars(), "0.000105");
    let sonnet = table.price("claude-sonnet-4-5").expect("it is known");
    let written = Usage {
        cache_write: 1_000,
        ..tokens(1_000, 0)
    };
    assert_eq!(sonnet.cost(&written, Travel::Live).dollars(), "0.00375");
}

#[test]
fn a_long_request_has_the_price_of_its_tier() {
    let pro = Table::embedded()
        .price("gemini/gemini-2.5-pro")
        .expect("it is known");
    assert_eq!(
        pro.cost(&tokens(200_000, 0), Travel::Live).dollars(),
        "0.25"
    );
    assert_eq!(
        pro.cost(&tokens(200_001, 0), Travel::Live).dollars(),
        "0.5000025"
    );
}

#[test]
fn a_bound_is_never_below_a_cost() {
    let table = Table::embedded();
    for name in table.like("") {
        let Some(price) = table.price(name) else {
            continue;
        };
        for (input, output) in [(1_000, 10), (150_000, 5_000), (900_000, 1)] {
            for (cache_read, cache_write) in [(0, 0), (input, 0), (0, input)] {
                let usage = Usage {
                    cache_read,
                    cache_write,
                    reasoning: output / 2,
                    ..tokens(input, output)
                };
                for travel in [Travel::Live, Travel::Batch] {
                    assert!(
                        price.bound(input, output, travel) >= price.cost(&usage, travel),
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_model_that_nobody_priced_has_no_price_rather_than_none_to_pay() {
    let table = Table::embedded();
    let at = |host, model| Whereabouts {
        endpoint: "e",
        host,
        model,
    };
    assert!(key(&table, at("api.openai.com", "gpt-4o-mini")).is_some());
    assert!(key(&table, at("api.openai.com", "no-such-model")).is_none());
    // The name of a model says nothing of what another server takes for it.
    assert!(key(&table, at("127.0.0.1", "gpt-4o-mini")).is_none());
    let (name, _) = key(&table, at("my.openai.azure.com", "gpt-4o")).expect("it is known");
    assert_eq!(name, "azure/gpt-4o");
}

#[test]
fn a_table_of_the_users_own_prices_a_server_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("prices.json");
    std::fs::write(
        &file,
        r#"{"proxy/m":{"input_cost_per_token":2e-06,"output_cost_per_token":"0.000004"}}"#,
    )
    .expect("written");
    let table = Table::load(&file).expect("a table");
    let at = Whereabouts {
        endpoint: "proxy",
        host: "10.0.0.7",
        model: "m",
    };
    let (_, price) = key(&table, at).expect("it is known");
    assert_eq!(price.cost(&tokens(1, 1), Travel::Live), Money(6_000_000));
    for text in ["", "[]", "{}", r#"{"m":{}}"#, r#"{"m":3}"#] {
        std::fs::write(&file, text).expect("written");
        assert!(Table::load(&file).is_err(), "{text}");
    }
}
