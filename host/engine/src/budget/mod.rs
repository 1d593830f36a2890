//! What a run may spend, and what it has spent. A call leaves only after the most that it can cost is reserved and written
//! down; when its answer comes, the reservation becomes what it did cost. Calls that broke off count in full: they may have
//! been paid for.

/// The arithmetic.
mod book;

/// What outlives the process.
mod file;

pub use book::{Amount, Answer, Book, Limits, Reached};

use crate::prices::{self, Money, Price, Table, Travel, Whereabouts};
use crate::record::Usage;
use crate::stop::StopReason;
use file::SpendFile;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The file's name in a run's folder.
pub const FILE: &str = "spend";

/// A budget, for one run or for several side by side. Cheap to clone; clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget {
    book: Arc<Mutex<Book>>,
    /// Changes whenever a call is settled.
    settled: watch::Sender<()>,
}

/// Prices that were looked up, by address and model.
type Known = HashMap<(String, String), Option<Arc<Price>>>;

/// The account of one run in a budget.
#[derive(Debug)]
pub struct Account {
    budget: Budget,
    table: Arc<Table>,
    prices: Mutex<Known>,
    file: Mutex<SpendFile>,
    path: PathBuf,
    /// What batches have cost; their journal remembers it.
    batches: Mutex<Amount>,
    /// The run's folder, which is its name elsewhere.
    name: String,
}

/// A call that wants to leave.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// The config that asks.
    pub config: usize,
    /// Where to.
    pub at: Whereabouts<'w>,
    /// Bytes of its body: a token is at least one of them.
    pub bytes: usize,
    /// The most tokens of its answer, where it says so.
    pub most_output: Option<u64>,
    /// How it travels.
    pub travel: Travel,
}

/// Why a call must not leave.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The budget does not hold it.
    #[error(
        "the budget of {limit} is used up: {spent} are spent, and the next call may cost {next}; the same command with a larger budget goes on from here"
    )]
    UsedUp {
        /// What may be spent.
        limit: String,
        /// What was.
        spent: String,
        /// What the call may cost.
        next: String,
    },
    /// What it costs cannot be bounded.
    #[error("{0}")]
    Unbounded(String),
    /// The file cannot be written.
    #[error("cannot write what was spent to {path}: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
}

impl From<Refusal> for StopReason {
    fn from(refusal: Refusal) -> StopReason {
        let told = refusal.to_string();
        match refusal {
            Refusal::UsedUp { .. } => StopReason::Budget(told),
            Refusal::Unbounded(_) => StopReason::Experiment(told),
            Refusal::File { .. } => StopReason::Disk(told),
        }
    }
}

impl Budget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub fn new(limits: Limits) -> Budget {
        Budget {
            book: Arc::new(Mutex::new(Book::new(limits, Amount::default()))),
            settled: watch::Sender::new(()),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// The account of the run in this folder, which has so many configs. What earlier processes of the run spent counts.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(
        folder: &Path,
        budget: Budget,
        table: Arc<Table>,
        configs: usize,
    ) -> Result<Arc<Account>, Refusal> {
        let path = folder.join(FILE);
        let opened = SpendFile::open(&path, boot(), configs);
        let file = opened.map_err(|cause| Refusal::File {
            path: path.clone(),
            cause,
        })?;
        budget.book().add_spent(file.sum());
        let name = folder.canonicalize();
        let name = name.unwrap_or_else(|_| folder.to_path_buf());
        Ok(Arc::new(Account {
            budget,
            table,
            prices: Mutex::default(),
            file: Mutex::new(file),
            path,
            batches: Mutex::default(),
            name: name.to_string_lossy().into_owned(),
        }))
    }

    /// What this run has spent so far; calls in flight are not in it.
    #[must_use]
    pub fn spent(&self) -> Amount {
        self.file().sum().plus(*self.batches())
    }

    /// What the run is called where others note that it pays: its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reserves what a request of a batch can cost at most; none where that may fit when others turn out cheaper. What is
    /// reserved is to be released when the batch is read, and the journal of batches remembers it meanwhile.
    ///
    /// # Errors
    /// Where it will never fit.
    pub fn reserve_now(&self, wish: &Wish<'_>) -> Result<Option<Amount>, Refusal> {
        let most = self.most(wish, self.price(wish.at).as_deref())?;
        let answer = self.budget.book().reserve(most);
        match answer {
            Answer::Granted => Ok(Some(most)),
            Answer::Wait => Ok(None),
            Answer::Never(reached) => Err(self.used_up(&reached, most)),
        }
    }

    /// Counts a batch of an earlier process, whatever the limit.
    pub fn hold(&self, bound: Amount) {
        self.budget.book().hold(bound);
    }

    /// A batch is read, or was none: what it might have cost is free again.
    pub fn release(&self, bound: Amount) {
        self.budget.book().settle(bound, Amount::default());
        self.budget.settled.send_replace(());
    }

    /// What an answer with this usage costs.
    #[must_use]
    pub fn cost(&self, at: Whereabouts<'_>, usage: &Usage, travel: Travel) -> Amount {
        cost(self.price(at).as_deref(), usage, travel)
    }

    /// Batches have cost so much more.
    pub fn spend(&self, cost: Amount) {
        self.budget.book().add_spent(cost);
        let mut batches = self.batches();
        *batches = batches.plus(cost);
    }

    /// What the calls of each config have cost so far, by its place in the sweep. A call that several configs wait for is
    /// that of the one which asked first.
    #[must_use]
    pub fn spent_by_config(&self) -> Vec<Amount> {
        self.file().configs().to_vec()
    }

    /// Waits until what a call can cost at most is reserved.
    ///
    /// # Errors
    /// Where that will never fit.
    pub async fn reserve(self: &Arc<Account>, wish: &Wish<'_>) -> Result<Reservation, Refusal> {
        let price = self.price(wish.at);
        let most = self.most(wish, price.as_deref())?;
        let mut settled = self.budget.settled.subscribe();
        loop {
            settled.borrow_and_update();
            let answer = self.budget.book().reserve(most);
            match answer {
                Answer::Granted => break,
                Answer::Never(reached) => return Err(self.used_up(&reached, most)),
                // The sender lives in this account.
                Answer::Wait => drop(settled.changed().await),
            }
        }
        let mut reservation = Reservation {
            account: Arc::clone(self),
            price,
            most,
            travel: wish.travel,
            slot: None,
        };
        reservation.slot = Some(self.note(wish.config, most)?);
        Ok(reservation)
    }

    /// Whether a call to this model can be bounded, for a look before the run.
    ///
    /// # Errors
    /// What to do where it cannot.
    pub fn check(&self, at: Whereabouts<'_>, most_output: Option<u64>) -> Result<(), Refusal> {
        let book = self.budget.book();
        let unknown = book.limits().money.is_some() && book.spent().unpriced > 0;
        let calls = book.spent().unpriced;
        drop(book);
        if unknown {
            return Err(Refusal::Unbounded(format!(
                "there is a budget, and {calls} calls that this run made before had no known price: limit tokens with \
                 `--max-tokens-total`, or begin a run of its own with another `--out`"
            )));
        }
        let wish = Wish {
            config: 0,
            at,
            bytes: 0,
            most_output,
            travel: Travel::Live,
        };
        self.most(&wish, self.price(at).as_deref()).map(drop)
    }

    /// Puts what was spent on the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn close(&self) -> Result<(), Refusal> {
        self.file().close().map_err(|cause| self.failed(cause))
    }

    fn note(&self, config: usize, most: Amount) -> Result<usize, Refusal> {
        let slack = self.slack();
        let mut file = self.file();
        let noted = file
            .bound(most, slack)
            .and_then(|_| file.take(config, most));
        noted.map_err(|cause| self.failed(cause))
    }

    /// A fiftieth of each limit: the disk is waited for fifty times, and a power cut costs no more than that.
    fn slack(&self) -> Amount {
        let Limits { money, tokens } = self.budget.book().limits();
        Amount {
            money: money.map_or(Money(0), |limit| Money((limit.0 / 50).max(1))),
            tokens: tokens.map_or(0, |limit| (limit / 50).max(1)),
            unpriced: 0,
        }
    }

    fn most(&self, wish: &Wish<'_>, price: Option<&Price>) -> Result<Amount, Refusal> {
        let limits = self.budget.book().limits();
        let input = wish.bytes as u64;
        let output = wish
            .most_output
            .or_else(|| price.and_then(|price| price.most_output));
        let model = wish.at.model;
        let limited = limits.money.is_some() || limits.tokens.is_some();
        if limited && output.is_none() {
            return Err(Refusal::Unbounded(format!(
                "there is a budget, and nobody says how long an answer of `{model}` may be: set `model.sampling.max_tokens`"
            )));
        }
        if limits.money.is_some() && price.is_none() {
            return Err(Refusal::Unbounded(format!(
                "there is a budget, and the price of `{model}` at {} is not known: add it to a table of prices (`xhost prices \
                 update FILE`, as `{}/{model}`), or limit tokens with `--max-tokens-total` instead",
                wish.at.endpoint, wish.at.endpoint
            )));
        }
        let output = output.unwrap_or(0);
        Ok(Amount {
            money: price.map_or(Money(0), |price| price.bound(input, output, wish.travel)),
            tokens: input.saturating_add(output),
            unpriced: u64::from(price.is_none()),
        })
    }

    fn price(&self, at: Whereabouts<'_>) -> Option<Arc<Price>> {
        let mut prices = self.prices.lock().unwrap_or_else(PoisonError::into_inner);
        let known = prices.entry((at.endpoint.to_owned(), at.model.to_owned()));
        known
            .or_insert_with(|| prices::key(&self.table, at).map(|(_, price)| Arc::new(price)))
            .clone()
    }

    fn used_up(&self, reached: &Reached, most: Amount) -> Refusal {
        let book = self.budget.book();
        let (limits, spent) = (book.limits(), book.spent());
        match reached {
            Reached::Money => Refusal::UsedUp {
                limit: limits.money.unwrap_or_default().to_string(),
                spent: spent.money.to_string(),
                next: most.money.to_string(),
            },
            Reached::Tokens => Refusal::UsedUp {
                limit: format!("{} tokens", limits.tokens.unwrap_or_default()),
                spent: spent.tokens.to_string(),
                next: most.tokens.to_string(),
            },
        }
    }

    fn failed(&self, cause: io::Error) -> Refusal {
        Refusal::File {
            path: self.path.clone(),
            cause,
        }
    }

    fn batches(&self) -> MutexGuard<'_, Amount> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, SpendFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept for a call in flight. Dropped without a word, it counts as spent: the call may have been paid for.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    price: Option<Arc<Price>>,
    most: Amount,
    travel: Travel,
    /// None after it was settled, or where it was never written down.
    slot: Option<usize>,
}

impl Reservation {
    /// The answer came: this is what was used.
    pub fn answered(mut self, usage: &Usage) {
        self.settle(cost(self.price.as_deref(), usage, self.travel));
    }

    /// Nothing left, or the provider refused: nothing is paid for.
    pub fn free(mut self) {
        self.settle(Amount::default());
    }

    fn settle(&mut self, cost: Amount) {
        let Some(slot) = self.slot.take() else { return };
        // Where the disk refuses, the slot stays as it was written: the next process counts it in full.
        let _ = self.account.file().settle(slot, cost);
        self.account.budget.book().settle(self.most, cost);
        self.account.budget.settled.send_replace(());
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Where the disk refused to note the call, it never left.
        self.settle(self.most);
    }
}

fn cost(price: Option<&Price>, usage: &Usage, travel: Travel) -> Amount {
    Amount {
        money: price.map_or(Money(0), |price| price.cost(usage, travel)),
        tokens: usage.input.saturating_add(usage.output),
        unpriced: u64::from(price.is_none()),
    }
}

/// Tells starts of this machine apart; all zero where the system does not.
fn boot() -> [u8; 16] {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hash = blake3::hash(&id);
    match id.is_empty() {
        true => [0; 16],
        false => std::array::from_fn(|at| hash.as_bytes()[at]),
    }
}

#[cfg(test)]
mod tests;
