//! Whatever the order in which calls leave and come back, and whenever the process or the power ends: what was spent and
//! what is in flight stay within the budget.

use super::file::SpendFile;
use super::{Account, Amount, Answer, Book, Budget, FILE, Limits, Refusal, Wish};
use crate::prices::{Money, Table, Travel, Whereabouts};
use crate::record::Usage;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const LIMIT: u64 = 10_000;

const CONFIGS: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    /// A call that may cost so much wants to leave.
    Leave(u64),
    /// One of those in flight comes back, having cost so many percent of what was reserved.
    Back {
        which: prop::sample::Index,
        percent: u64,
    },
    /// One is refused: nothing is paid.
    Refused(prop::sample::Index),
    /// The process ends at once. Each call in flight was paid for, at so many percent of what was reserved.
    Killed(u64),
    /// The power is cut: the file is as it was when the disk was last waited for.
    PowerCut(u64),
    /// The process ends in order.
    Closed,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1_u64..1_500).prop_map(Act::Leave),
        6 => (any::<prop::sample::Index>(), 0_u64..=100).prop_map(|(which, percent)| Act::Back { which, percent }),
        1 => any::<prop::sample::Index>().prop_map(Act::Refused),
        1 => (0_u64..=100).prop_map(Act::Killed),
        1 => (0_u64..=100).prop_map(Act::PowerCut),
        1 => Just(Act::Closed),
    ]
}

fn amount(number: u64) -> Amount {
    Amount {
        money: Money(number),
        tokens: number,
        unpriced: 0,
    }
}

/// A process of the run, and the truth beside it.
struct World {
    folder: tempfile::TempDir,
    file: SpendFile,
    book: Book,
    in_flight: Vec<(usize, u64)>,
    /// What was paid for, as only the provider knows.
    paid: u64,
    /// The file as it is on the disk for certain.
    certain: Vec<u8>,
    starts: u8,
    most_in_flight: usize,
}

impl World {
    fn new() -> World {
        // In memory, where there is such a folder: the disk is waited for thousands of times.
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("a folder");
        let file = SpendFile::open(&folder.path().join(FILE), [0; 16], CONFIGS).expect("opened");
        let book = Book::new(limits(), file.sum());
        let certain = std::fs::read(folder.path().join(FILE)).expect("read");
        World {
            folder,
            file,
            book,
            in_flight: Vec::new(),
            paid: 0,
            certain,
            starts: 0,
            most_in_flight: 0,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(FILE)
    }

    fn keep(&mut self) {
        self.certain = std::fs::read(self.path()).expect("read");
    }

    fn start(&mut self, percent: u64) {
        let flown = std::mem::take(&mut self.in_flight);
        self.paid += flown
            .iter()
            .map(|(_, most)| most * percent / 100)
            .sum::<u64>();
        self.file = SpendFile::open(&self.path(), [self.starts; 16], CONFIGS).expect("opened");
        self.book = Book::new(limits(), self.file.sum());
        self.keep();
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Leave(most) => {
                if self.book.reserve(amount(*most)) == Answer::Granted {
                    if self
                        .file
                        .bound(amount(*most), amount(LIMIT / 50))
                        .expect("written")
                    {
                        self.keep();
                    }
                    let slot = self
                        .file
                        .take(*most as usize % 4, amount(*most))
                        .expect("written");
                    self.in_flight.push((slot, *most));
                    self.most_in_flight = self.most_in_flight.max(self.in_flight.len());
                }
            }
            Act::Back { which, percent } if !self.in_flight.is_empty() => {
                let (slot, most) = self
                    .in_flight
                    .swap_remove(which.index(self.in_flight.len()));
                self.paid += most * percent / 100;
                self.end(slot, most, most * percent / 100);
            }
            Act::Refused(which) if !self.in_flight.is_empty() => {
                let (slot, most) = self
                    .in_flight
                    .swap_remove(which.index(self.in_flight.len()));
                self.end(slot, most, 0);
            }
            Act::Back { .. } | Act::Refused(_) => {}
            Act::Killed(percent) => self.start(*percent),
            Act::PowerCut(percent) => {
                std::fs::write(self.path(), &self.certain).expect("written");
                self.starts += 1;
                self.start(*percent);
            }
            Act::Closed => {
                // In order means that calls in flight were let finish.
                for (slot, most) in std::mem::take(&mut self.in_flight) {
                    self.paid += most / 2;
                    self.end(slot, most, most / 2);
                }
                self.file.close().expect("closed");
                self.keep();
                self.start(0);
            }
        }
    }

    fn end(&mut self, slot: usize, most: u64, cost: u64) {
        self.file.settle(slot, amount(cost)).expect("written");
        self.book.settle(amount(most), amount(cost));
    }
}

fn limits() -> Limits {
    Limits {
        money: Some(Money(LIMIT)),
        tokens: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn what_is_spent_and_in_flight_stays_within_the_budget_whatever_happens(acts in prop::collection::vec(act(), 1..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            let in_flight: u64 = world.in_flight.iter().map(|(_, most)| most).sum();
            prop_assert!(world.paid + in_flight <= LIMIT, "{} and {in_flight} after {act:?}", world.paid);
            prop_assert!(world.book.spent().money.0 >= world.paid, "spending was forgotten after {act:?}");
            let configs: u64 = world.file.configs().iter().map(|one| one.money.0).sum();
            prop_assert!(configs <= world.file.sum().money.0, "configs spent more than all of them");
            // Slots are used again: the file follows the calls in flight.
            let length = std::fs::metadata(world.path()).expect("there").len();
            prop_assert!(length <= 128 + 24 * CONFIGS as u64 + 32 * world.most_in_flight as u64, "{length}");
        }
    }

    #[test]
    fn without_an_accident_what_is_booked_is_what_was_paid(acts in prop::collection::vec(act(), 1..120)) {
        let mut world = World::new();
        for act in acts.iter().filter(|act| !matches!(act, Act::Killed(_) | Act::PowerCut(_))) {
            world.act(act);
            prop_assert_eq!(world.book.spent().money.0, world.paid);
            prop_assert_eq!(world.file.sum().money.0, world.paid);
        }
    }
}

fn priced(folder: &Path) -> Arc<Table> {
    let file = folder.join("prices.json");
    let text = r#"{"e/m":{"input_cost_per_token":1e-06,"output_cost_per_token":1e-05}}"#;
    std::fs::write(&file, text).expect("written");
    Arc::new(Table::load(&file).expect("a table"))
}

fn wish(model: &str) -> Wish<'_> {
    let at = Whereabouts {
        endpoint: "e",
        host: "127.0.0.1",
        model,
    };
    Wish {
        at,
        bytes: 100,
        most_output: Some(10),
        travel: Travel::Live,
        config: 0,
    }
}

fn account(folder: &Path, limits: Limits) -> Arc<Account> {
    Account::open(folder, Budget::new(limits), priced(folder), 2).expect("opened")
}

/// A call costs $0.0002 at most.
const TWO_CALLS: Limits = Limits {
    money: Some(Money(450_000_000)),
    tokens: None,
};

#[tokio::test]
async fn a_call_waits_for_those_in_flight_and_leaves_when_they_were_cheaper() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = account(folder.path(), TWO_CALLS);
    let first = account.reserve(&wish("m")).await.expect("it fits");
    let second = account.reserve(&wish("m")).await.expect("it fits");
    let third = wish("m");
    let mut third = std::pin::pin!(account.reserve(&third));
    let waits = std::future::poll_fn(|context| {
        std::task::Poll::Ready(third.as_mut().poll(context).is_pending())
    });
    assert!(waits.await);
    first.answered(&Usage {
        input: 20,
        output: 1,
        ..Usage::default()
    });
    let third = third.await.expect("there is room now");
    assert_eq!(account.spent().money, Money(30_000_000));
    drop(third);
    // It broke off: nobody knows whether it was paid for.
    assert_eq!(account.spent().money, Money(230_000_000));
    second.free();
    let refused = account.reserve(&wish("m")).await.expect("it fits");
    refused.free();
    assert_eq!(account.spent().money, Money(230_000_000));
}

#[tokio::test]
async fn a_call_that_can_never_fit_is_refused_with_the_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = account(
        folder.path(),
        Limits {
            money: Some(Money(300_000_000)),
            tokens: None,
        },
    );
    drop(account.reserve(&wish("m")).await.expect("it fits"));
    let refusal = account
        .reserve(&wish("m"))
        .await
        .expect_err("it is used up");
    assert_eq!(
        refusal.to_string(),
        "the budget of $0.0003 is used up: $0.0002 are spent, and the next call may cost $0.0002; the same command with a \
         larger budget goes on from here"
    );
    drop(account);
    let tokens = Limits {
        money: None,
        tokens: Some(300),
    };
    let account = self::account(folder.path(), tokens);
    let refusal = account
        .reserve(&Wish {
            bytes: 200,
            ..wish("m")
        })
        .await
        .expect_err("too many");
    assert!(refusal.to_string().contains("300 tokens"), "{refusal}");
}

#[tokio::test]
async fn what_earlier_processes_of_the_run_spent_counts_and_so_does_what_they_left_in_flight() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = account(folder.path(), TWO_CALLS);
    std::mem::forget(first.reserve(&wish("m")).await.expect("it fits"));
    let second = account(folder.path(), TWO_CALLS);
    assert_eq!(second.spent().money, Money(200_000_000));
    assert!(second.reserve(&wish("m")).await.is_ok());
}

#[tokio::test]
async fn with_a_budget_an_unknown_price_or_length_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = account(folder.path(), TWO_CALLS);
    let Refusal::Unbounded(told) = account.reserve(&wish("other")).await.expect_err("unknown")
    else {
        panic!()
    };
    assert!(
        told.contains("`xhost prices update FILE`") && told.contains("e/other"),
        "{told}"
    );
    let endless = Wish {
        most_output: None,
        ..wish("m")
    };
    let Refusal::Unbounded(told) = account.reserve(&endless).await.expect_err("endless") else {
        panic!()
    };
    assert!(told.contains("max_tokens"), "{told}");
}

#[tokio::test]
async fn an_unknown_price_stays_unknown_and_is_not_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = account(folder.path(), Limits::default());
    let call = account
        .reserve(&Wish {
            most_output: None,
            ..wish("other")
        })
        .await
        .expect("no limit");
    call.answered(&Usage {
        input: 5,
        output: 5,
        ..Usage::default()
    });
    assert_eq!(
        account.spent(),
        Amount {
            money: Money(0),
            tokens: 10,
            unpriced: 1
        }
    );
}

#[tokio::test]
async fn each_config_pays_for_its_own_calls_and_goes_on_to_in_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let usage = |output| Usage {
        input: 0,
        output,
        ..Usage::default()
    };
    for process in 1..=2 {
        let account = account(folder.path(), Limits::default());
        for config in [0, 1, 1] {
            let wish = Wish {
                config,
                ..wish("m")
            };
            let call = account.reserve(&wish).await.expect("no limit");
            call.answered(&usage(1));
        }
        let spent: Vec<u64> = account
            .spent_by_config()
            .iter()
            .map(|one| one.tokens)
            .collect();
        assert_eq!(spent, [process, 2 * process]);
        assert_eq!(account.spent().tokens, 3 * process);
    }
    // What was in flight when a process ended is its config's, too.
    let third = account(folder.path(), Limits::default());
    let wish = Wish {
        config: 1,
        ..wish("m")
    };
    std::mem::forget(third.reserve(&wish).await.expect("no limit"));
    let fourth = account(folder.path(), Limits::default());
    assert_eq!(fourth.spent_by_config()[1].tokens, 4 + 110);
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_be_bytes()).collect()
}

#[test]
fn the_file_has_these_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let mut file = SpendFile::open(&path, [7; 16], 2).expect("opened");
    file.bound(amount(5), amount(1)).expect("written");
    let first = file.take(1, amount(5)).expect("written");
    file.take(1, amount(4)).expect("written");
    file.settle(first, amount(3)).expect("written");
    let bytes = std::fs::read(&path).expect("read");
    let mut expected = Vec::new();
    expected.extend_from_slice(b"xhost spend v2\0\0");
    expected.extend_from_slice(&[7; 16]);
    // What no config asked for: money, tokens, calls without a price.
    expected.extend(numbers(&[0, 0, 0]));
    // The bound.
    expected.extend(numbers(&[6, 6, 0]));
    // Configs.
    expected.extend_from_slice(&[0, 0, 0, 2]);
    expected.resize(128, 0);
    // What each of them spent.
    expected.extend(numbers(&[0, 0, 0, 3, 3, 0]));
    // A slot that is free again, and one that is taken, by which config, and an amount.
    expected.extend_from_slice(&[0; 32]);
    expected.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 1]);
    expected.extend(numbers(&[4, 4, 0]));
    assert_eq!(bytes, expected);
}

#[test]
fn a_file_of_the_version_before_counts_with_what_was_in_flight() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let mut before = b"xhost spend v1\0\0".to_vec();
    before.extend_from_slice(&[7; 16]);
    before.extend(numbers(&[100, 10, 0]));
    before.extend(numbers(&[100, 10, 0]));
    before.resize(128, 0);
    before.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    before.extend(numbers(&[5, 5, 0]));
    std::fs::write(&path, before).expect("written");
    for _ in 0..2 {
        let file = SpendFile::open(&path, [7; 16], 2).expect("opened");
        assert_eq!((file.sum().money.0, file.sum().tokens), (105, 15));
        assert_eq!(file.configs(), [Amount::default(); 2]);
    }
}

#[test]
fn a_file_that_is_none_is_refused_and_not_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    std::fs::write(&path, [b'x'; 200]).expect("written");
    assert!(SpendFile::open(&path, [0; 16], 1).is_err());
    assert_eq!(std::fs::read(&path).expect("read"), [b'x'; 200]);
}
