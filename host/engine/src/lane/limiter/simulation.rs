//! Ten minutes of traffic against six kinds of server, in virtual time: how much of the limit is reached, how much is
//! refused, and that nothing is lost. The servers are token buckets as the providers describe theirs.

use super::*;
use crate::lane::Estimator;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A kind of server.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    requests_per_minute: Option<f64>,
    tokens_per_minute: Option<f64>,
    /// How much the bucket of requests holds, in seconds of its rate.
    window: f64,
    /// Whether refused calls are charged too.
    refusals_count: bool,
    /// The share of the limit that another process takes.
    others: f64,
    latency: f64,
    headers: bool,
}

const MINUTE: Scenario = Scenario {
    name: "A: 600 a minute",
    requests_per_minute: Some(600.0),
    tokens_per_minute: None,
    window: 60.0,
    refusals_count: false,
    others: 0.0,
    latency: 2.0,
    headers: true,
};

const SCENARIOS: [Scenario; 6] = [
    MINUTE,
    Scenario {
        name: "B: enforced by the second",
        window: 1.0,
        ..MINUTE
    },
    Scenario {
        name: "C: 400,000 tokens a minute",
        requests_per_minute: None,
        tokens_per_minute: Some(400_000.0),
        ..MINUTE
    },
    Scenario {
        name: "D: 10,000 a minute, 8 s each",
        requests_per_minute: Some(10_000.0),
        latency: 8.0,
        ..MINUTE
    },
    Scenario {
        name: "E: by the second, refusals count",
        window: 1.0,
        refusals_count: true,
        ..MINUTE
    },
    Scenario {
        name: "F: another process takes half",
        others: 0.5,
        ..MINUTE
    },
];

struct Bucket {
    limit: f64,
    capacity: f64,
    level: f64,
    at: f64,
}

impl Bucket {
    fn new(per_minute: f64, window: f64) -> Bucket {
        let capacity = per_minute / 60.0 * window;
        Bucket {
            limit: per_minute,
            capacity,
            level: capacity,
            at: 0.0,
        }
    }

    fn rate(&self) -> f64 {
        self.limit / 60.0
    }

    fn refill(&mut self, at: f64) {
        self.level = (self.level + (at - self.at) * self.rate()).min(self.capacity);
        self.at = at;
    }

    /// The headers: they tell of the minute, whatever is enforced within it.
    fn allowance(&self, dimension: Dimension) -> Allowance {
        let used = self.capacity - self.level;
        Allowance {
            dimension,
            limit: self.limit as u64,
            remaining: (self.limit - used).max(0.0) as u64,
            reset_ms: (used / self.rate() * 1_000.0).ceil() as u64,
        }
    }
}

/// The world outside the limiter.
struct World {
    scenario: Scenario,
    chance: ChaCha8Rng,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    others_since: f64,
}

enum Said {
    Answer,
    Refusal(f64),
}

impl World {
    fn new(scenario: Scenario) -> World {
        let bucket = |limit: Option<f64>, window| limit.map(|limit| Bucket::new(limit, window));
        World {
            scenario,
            chance: ChaCha8Rng::seed_from_u64(7),
            requests: bucket(scenario.requests_per_minute, scenario.window),
            tokens: bucket(scenario.tokens_per_minute, 60.0),
            others_since: 0.0,
        }
    }

    fn even(&mut self) -> f64 {
        (f64::from(self.chance.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// Lognormal, as answers of models are.
    fn latency(&mut self) -> f64 {
        let (radius, angle) = (self.even(), self.even() * std::f64::consts::TAU);
        let normal = (-2.0 * radius.ln()).sqrt() * angle.cos();
        self.scenario.latency * (0.4 * normal - 0.08).exp()
    }

    /// What the other process took meanwhile, as far as it was there.
    fn others(&mut self, at: f64) {
        let bucket = self.requests.as_mut().or(self.tokens.as_mut());
        if let Some(bucket) = bucket {
            let wanted = (at - self.others_since) * bucket.rate() * self.scenario.others;
            bucket.level -= wanted.min(bucket.level.max(0.0));
        }
        self.others_since = at;
    }

    /// A call arrives.
    fn take(&mut self, at: f64, tokens: f64) -> (Said, Vec<Allowance>) {
        for bucket in [&mut self.requests, &mut self.tokens].into_iter().flatten() {
            bucket.refill(at);
        }
        self.others(at);
        let missing = |bucket: &Option<Bucket>, cost: f64| {
            let missing = bucket
                .as_ref()
                .map_or(0.0, |bucket| (cost - bucket.level) / bucket.rate());
            missing.max(0.0)
        };
        let wait = missing(&self.requests, 1.0).max(missing(&self.tokens, tokens));
        if wait <= 0.0 || self.scenario.refusals_count {
            for (bucket, cost) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens)] {
                if let Some(bucket) = bucket {
                    bucket.level = (bucket.level - cost).max(0.0);
                }
            }
        }
        let told = [
            self.requests
                .as_ref()
                .map(|bucket| bucket.allowance(Dimension::Requests)),
            self.tokens
                .as_ref()
                .map(|bucket| bucket.allowance(Dimension::Tokens)),
        ];
        let told = if self.scenario.headers {
            told.into_iter().flatten().collect()
        } else {
            Vec::new()
        };
        let said = if wait > 0.0 {
            Said::Refusal(wait.ceil())
        } else {
            Said::Answer
        };
        (said, told)
    }
}

/// One call under way: its number, its size, and what the limiter wrote down.
#[derive(Clone, Copy)]
struct Flying {
    number: u64,
    expected: Expected,
    departure: Departure,
}

enum Happens {
    Arrives(Flying),
    Returns(Flying, Said, Vec<Allowance>),
    MayGoAgain(u64, Expected),
    Look,
}

/// What came of it.
#[derive(Debug, Default)]
struct Came {
    /// When each answer's call was let in.
    answered: Vec<f64>,
    refused: u64,
    most_attempts: u32,
    in_flight: usize,
}

/// The client: calls without end, for so many seconds.
struct Client {
    world: World,
    limiter: Limiter,
    zero: Instant,
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    things: std::collections::HashMap<u64, Happens>,
    steps: u64,
    again: VecDeque<(u64, Expected)>,
    attempts: std::collections::HashMap<u64, u32>,
    next: u64,
    next_look: f64,
    look: u64,
    came: Came,
}

impl Client {
    fn plan(&mut self, at: f64, what: Happens) {
        self.steps += 1;
        self.things.insert(self.steps, what);
        self.agenda.push(Reverse(((at * 1e6) as u64, self.steps)));
    }

    /// One timer at a time: the earliest.
    fn look(&mut self, at: f64) {
        if at < self.next_look {
            self.things.remove(&self.look);
            self.next_look = at;
            self.plan(at, Happens::Look);
            self.look = self.steps;
        }
    }

    fn send(&mut self, at: f64) {
        let now = self.zero + Duration::from_secs_f64(at);
        loop {
            let (number, expected) = match self.again.front() {
                Some(first) => *first,
                None => {
                    let bytes = 1_000 + 1_500 * (self.next as usize % 5);
                    let most = 100 + 200 * (self.next % 4);
                    (self.next, Estimator::default().expect(bytes, Some(most)))
                }
            };
            match self.limiter.turn(now, &expected) {
                Turn::Back => return,
                Turn::At(next) => {
                    let wait = next.saturating_duration_since(now).as_secs_f64();
                    self.look(at + wait.max(0.001));
                    return;
                }
                Turn::Now => {}
            }
            if self.again.pop_front().is_none() {
                self.next += 1;
            }
            let departure = self.limiter.depart(now, &expected);
            let attempts = self.attempts.entry(number).or_default();
            *attempts += 1;
            self.came.most_attempts = self.came.most_attempts.max(*attempts);
            let flying = Flying {
                number,
                expected,
                departure,
            };
            let travel = 0.02 + 0.02 * self.world.even();
            self.plan(at + travel, Happens::Arrives(flying));
        }
    }

    fn step(&mut self, at: f64, what: Happens) {
        let now = self.zero + Duration::from_secs_f64(at);
        match what {
            Happens::Arrives(flying) => {
                let tokens = flying.departure.cost[1];
                let (said, told) = self.world.take(at, tokens);
                let takes = match said {
                    Said::Answer => self.world.latency(),
                    Said::Refusal(_) => 0.01,
                };
                if matches!(said, Said::Answer) {
                    self.came.answered.push(at);
                }
                self.plan(at + takes + 0.02, Happens::Returns(flying, said, told));
            }
            Happens::Returns(flying, said, told) => {
                let mut changes = Vec::new();
                self.limiter.back();
                self.limiter
                    .read(now, &flying.departure, &told, &mut changes);
                let outcome = match said {
                    Said::Answer => {
                        self.attempts.remove(&flying.number);
                        Outcome::Answered {
                            input: flying.expected.input,
                            output: flying.expected.most_output.unwrap_or(0),
                        }
                    }
                    Said::Refusal(wait) => {
                        self.came.refused += 1;
                        let again = Happens::MayGoAgain(flying.number, flying.expected);
                        self.plan(at + wait, again);
                        Outcome::Refused(Duration::from_secs_f64(wait))
                    }
                };
                self.limiter
                    .settle(now, &flying.departure, outcome, 2_000, &mut changes);
            }
            Happens::MayGoAgain(number, expected) => self.again.push_back((number, expected)),
            Happens::Look => self.next_look = f64::INFINITY,
        }
        self.send(at);
    }

    fn run(scenario: Scenario, seconds: f64) -> Came {
        let limiter = Limiter::new(PaceLimits::default(), Start::Gentle);
        let mut client = Client {
            world: World::new(scenario),
            limiter,
            zero: Instant::now(),
            agenda: BinaryHeap::new(),
            things: std::collections::HashMap::new(),
            steps: 0,
            again: VecDeque::new(),
            attempts: std::collections::HashMap::new(),
            next: 0,
            next_look: f64::INFINITY,
            look: 0,
            came: Came::default(),
        };
        client.plan(0.0, Happens::Look);
        while let Some(Reverse((micros, step))) = client.agenda.pop() {
            let at = micros as f64 / 1e6;
            if at > seconds {
                break;
            }
            if let Some(what) = client.things.remove(&step) {
                client.step(at, what);
            }
        }
        // Whatever was sent and has no answer is in flight or waits for its next attempt: nothing else became of a call.
        client.came.in_flight = client.attempts.len();
        assert_eq!(
            client.next,
            client.came.answered.len() as u64 + client.waiting_or_refused(),
            "{}: calls were lost",
            scenario.name
        );
        client.came
    }

    /// Calls that were begun and not let in yet.
    fn waiting_or_refused(&self) -> u64 {
        let not_let_in = self.things.values().filter(|what| match what {
            Happens::Arrives(_) | Happens::MayGoAgain(..) => true,
            Happens::Returns(_, Said::Refusal(_), _) => true,
            Happens::Returns(_, Said::Answer, _) | Happens::Look => false,
        });
        not_let_in.count() as u64 + self.again.len() as u64
    }
}

impl Came {
    fn within(&self, from: f64, to: f64) -> usize {
        let within = |at: &&f64| (from..to).contains(*at);
        self.answered.iter().filter(within).count()
    }
}

/// The mean of what `Client::send` makes up: 4 sizes of answers, 5 of bodies.
fn mean_tokens() -> f64 {
    let sizes = (0..20_u64).map(|number| {
        let most = 100 + 200 * (number % 4);
        let expected =
            Estimator::default().expect(1_000 + 1_500 * (number as usize % 5), Some(most));
        (expected.input + most) as f64
    });
    sizes.sum::<f64>() / 20.0
}

#[test]
fn with_headers_the_limit_is_reached_and_hardly_anything_is_refused() {
    for scenario in SCENARIOS {
        let came = Client::run(scenario, 600.0);
        let per_minute = scenario
            .requests_per_minute
            .unwrap_or_else(|| 400_000.0 / mean_tokens());
        let ours = per_minute * (1.0 - scenario.others);
        let reached = came.within(240.0, 600.0) as f64 / (6.0 * ours);
        let refused = 1_000.0 * came.refused as f64 / came.answered.len() as f64;
        let told = format!(
            "{}: {:.1} % of the limit once it is steady, {:.1} % over all, {refused:.2} refused of 1,000, {} attempts \
             at most, {} in flight",
            scenario.name,
            100.0 * reached,
            10.0 * came.answered.len() as f64 / ours,
            came.most_attempts,
            came.in_flight,
        );
        println!("{told}");
        assert!(reached >= 0.97, "{told}");
        assert!(refused <= 2.0, "{told}");
    }
}

#[test]
fn a_high_limit_is_reached_within_half_a_minute() {
    let came = Client::run(SCENARIOS[3], 40.0);
    let reached = came.within(25.0, 30.0) as f64 / (5.0 * 10_000.0 / 60.0);
    assert!(reached > 0.95, "{reached}");
}

#[test]
fn without_headers_the_limit_is_found_by_refusals_and_nothing_is_lost() {
    for scenario in SCENARIOS {
        let scenario = Scenario {
            headers: false,
            ..scenario
        };
        let came = Client::run(scenario, 600.0);
        let per_minute = scenario
            .requests_per_minute
            .unwrap_or_else(|| 400_000.0 / mean_tokens());
        let ours = per_minute * (1.0 - scenario.others);
        let reached = came.within(240.0, 600.0) as f64 / (6.0 * ours);
        let refused = 1_000.0 * came.refused as f64 / came.answered.len() as f64;
        let told = format!(
            "{} without headers: {:.1} % of the limit, {refused:.0} refused of 1,000, {} attempts at most",
            scenario.name,
            100.0 * reached,
            came.most_attempts,
        );
        println!("{told}");
        assert!(reached >= 0.65, "{told}");
        assert!(came.most_attempts <= 20, "{told}");
    }
}
