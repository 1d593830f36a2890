//! The arithmetic of a budget, pure: what was spent, what calls in flight may still cost, and whether another call fits.
//! The sum of both never passes the limit, as long as no call costs more than was reserved for it.

use crate::prices::Money;
use serde::{Deserialize, Serialize};

/// What may be spent; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// In dollars.
    pub money: Option<Money>,
    /// In tokens, asked and answered.
    pub tokens: Option<u64>,
}

/// What one or several calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// In dollars, as far as prices are known.
    pub money: Money,
    /// In tokens.
    pub tokens: u64,
    /// Calls whose price is not known.
    pub unpriced: u64,
}

/// A limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Of money.
    Money,
    /// Of tokens.
    Tokens,
}

/// What to do about a call that wants to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is reserved.
    Granted,
    /// It may fit when calls in flight turn out cheaper than reserved.
    Wait,
    /// It will never fit.
    Never(Reached),
}

/// What was spent and reserved.
#[derive(Clone, Debug, Default)]
pub struct Book {
    limits: Limits,
    spent: Amount,
    reserved: Amount,
}

impl Amount {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Amount) -> Amount {
        Amount {
            money: self.money.plus(other.money),
            tokens: self.tokens.saturating_add(other.tokens),
            unpriced: self.unpriced.saturating_add(other.unpriced),
        }
    }

    /// In dollars; `None` where a price is not known.
    #[must_use]
    pub fn known(self) -> Option<Money> {
        (self.unpriced == 0).then_some(self.money)
    }

    /// The difference, not below nothing.
    #[must_use]
    pub fn minus(self, other: Amount) -> Amount {
        Amount {
            money: self.money.minus(other.money),
            tokens: self.tokens.saturating_sub(other.tokens),
            unpriced: self.unpriced.saturating_sub(other.unpriced),
        }
    }

    /// What of this is also in the other.
    #[must_use]
    pub(super) fn only_where(self, other: Amount) -> Amount {
        let kept = |number: u64, other: u64| if other == 0 { 0 } else { number };
        Amount {
            money: Money(kept(self.money.0, other.money.0)),
            tokens: kept(self.tokens, other.tokens),
            unpriced: kept(self.unpriced, other.unpriced),
        }
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Amount) -> Amount {
        Amount {
            money: self.money.max(other.money),
            tokens: self.tokens.max(other.tokens),
            unpriced: self.unpriced.max(other.unpriced),
        }
    }
}

impl Book {
    /// A book in which so much is spent already.
    #[must_use]
    pub fn new(limits: Limits, spent: Amount) -> Book {
        Book {
            limits,
            spent,
            reserved: Amount::default(),
        }
    }

    /// What may be spent.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What was spent.
    #[must_use]
    pub fn spent(&self) -> Amount {
        self.spent
    }

    /// What was spent, and what calls in flight may cost.
    #[must_use]
    pub fn committed(&self) -> Amount {
        self.spent.plus(self.reserved)
    }

    /// More that earlier processes spent.
    pub fn add_spent(&mut self, amount: Amount) {
        self.spent = self.spent.plus(amount);
    }

    /// Reserves what a call may cost at most, if that fits.
    pub fn reserve(&mut self, most: Amount) -> Answer {
        if let Some(reached) = self.passed(self.spent.plus(most)) {
            return Answer::Never(reached);
        }
        if self.passed(self.committed().plus(most)).is_some() {
            return Answer::Wait;
        }
        self.reserved = self.reserved.plus(most);
        Answer::Granted
    }

    /// Counts what may cost so much and is on its way already.
    pub fn hold(&mut self, most: Amount) {
        self.reserved = self.reserved.plus(most);
    }

    /// A call's cost is known.
    pub fn settle(&mut self, most: Amount, cost: Amount) {
        self.reserved = self.reserved.minus(most);
        self.spent = self.spent.plus(cost);
    }

    fn passed(&self, sum: Amount) -> Option<Reached> {
        match self.limits {
            Limits {
                money: Some(limit), ..
            } if sum.money > limit => Some(Reached::Money),
            Limits {
                tokens: Some(limit),
                ..
            } if sum.tokens > limit => Some(Reached::Tokens),
            _ => None,
        }
    }
}
