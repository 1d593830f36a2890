//! Some who do the same work, measured in turns: whenever one is measured, so are the others, on the same work.

use criterion::{Criterion, Throughput};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Does this turn's work, and says how long it took.
pub type Work<'a, W> = (&'static str, Box<dyn FnMut(&W) -> Duration + 'a>);

/// Gives criterion a figure for each, and returns for each but the first how many times faster the first one is: the
/// median of all turns. `make` makes work for so many iterations.
pub fn compare<W>(
    criterion: &mut Criterion,
    name: &str,
    elements: usize,
    mut make: impl FnMut(u64) -> W,
    workers: Vec<Work<'_, W>>,
) -> Vec<String> {
    let names: Vec<&'static str> = workers.iter().map(|(name, _)| *name).collect();
    let workers = RefCell::new(workers);
    let turns: RefCell<Vec<Vec<f64>>> = RefCell::default();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(elements as u64));
    for (measured, worker) in names.iter().enumerate() {
        group.bench_function(*worker, |bencher| {
            bencher.iter_custom(|iterations| {
                let work = make(iterations);
                let mut workers = workers.borrow_mut();
                let times: Vec<Duration> = workers.iter_mut().map(|(_, does)| does(&work)).collect();
                turns.borrow_mut().push(times.iter().map(Duration::as_secs_f64).collect());
                times[measured]
            });
        });
    }
    group.finish();
    let turns = turns.into_inner();
    let ratio = |n: usize| {
        let mut ratios: Vec<f64> = turns.iter().map(|times| times[n] / times[0]).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    (1..names.len())
        .map(|n| format!("{name}: {:.2} times {}, over {} turns", ratio(n), names[n], turns.len()))
        .collect()
}

/// What the work costs this thread's processor, which others on the machine do not change: for work that waits for no disk.
pub fn computed(act: impl FnOnce()) -> Duration {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let started = now();
    act();
    now() - started
}

pub fn timed(act: impl FnOnce()) -> Duration {
    let started = Instant::now();
    act();
    started.elapsed()
}
