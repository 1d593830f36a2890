//! Who goes first, and that nobody is forgotten.

use super::*;
use crate::lane::Start;
use futures_util::future::join_all;
use tokio::sync::mpsc;

const CALL: Expected = Expected {
    input: 1,
    output: 1,
    most_output: None,
    bytes: 4,
};

const ANSWERED: Outcome = Outcome::Answered {
    input: 1,
    output: 1,
};

/// A queue before a lane that lets one through each second, past its first call.
async fn queue(ceiling: usize) -> Arc<Queue> {
    let limits = PaceLimits {
        requests_per_minute: Some(60),
        ..PaceLimits::default()
    };
    let limiter = Limiter::new(limits, Start::Abrupt);
    let queue = Queue::new("m".into(), limiter, Ceiling::new(ceiling));
    let (events, _inbox) = mpsc::channel(1);
    let first = Asker::new(0, events);
    let pass = queue.turn(CALL, Urgency::New, &first).await;
    pass.settle(ANSWERED);
    queue
}

/// The order in which these go: each with its name, urgency and config.
async fn order(
    queue: &Arc<Queue>,
    waiting: &[(&'static str, Urgency, usize)],
) -> Vec<&'static str> {
    let (events, _inbox) = mpsc::channel(1);
    let gone = Mutex::new(Vec::new());
    let all = waiting.iter().map(|(name, urgency, config)| {
        let asker = Asker::new(*config, events.clone());
        let gone = &gone;
        async move {
            let pass = queue.turn(CALL, *urgency, &asker).await;
            gone.lock().expect("no test panicked").push(*name);
            pass.settle(ANSWERED);
        }
    });
    join_all(all).await;
    gone.into_inner().expect("no test panicked")
}

#[tokio::test(start_paused = true)]
async fn configs_take_turns_whoever_came_first() {
    use Urgency::New;
    let waiting = [
        ("a1", New, 0),
        ("a2", New, 0),
        ("a3", New, 0),
        ("b1", New, 1),
        ("b2", New, 1),
        ("c1", New, 2),
    ];
    let found = order(&queue(9).await, &waiting).await;
    assert_eq!(found, ["a1", "b1", "c1", "a2", "b2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_goes_before_what_is_new() {
    let waiting = [
        ("new", Urgency::New, 0),
        ("judge", Urgency::UnderWay, 1),
        ("again", Urgency::Again, 2),
    ];
    let found = order(&queue(9).await, &waiting).await;
    assert_eq!(found, ["again", "judge", "new"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_is_passed_over_and_the_others_go_on() {
    let queue = queue(9).await;
    let (events, _inbox) = mpsc::channel(1);
    let asker = Asker::new(0, events);
    let mut waiting: Vec<_> = (0..3)
        .map(|_| Box::pin(queue.turn(CALL, Urgency::New, &asker)))
        .collect();
    // Each is in the queue, and the first of them drives.
    for one in &mut waiting {
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(one.as_mut().poll(&mut nobody).is_pending());
    }
    let last = waiting.pop().expect("there are three");
    drop(waiting);
    last.await.settle(ANSWERED);
}

/// The story: a run that was interrupted never ended, because the queue still held the events of those who had gone.
#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let queue = queue(9).await;
    let (events, mut inbox) = mpsc::channel(1);
    let asker = Asker::new(0, events);
    {
        let mut waiting = Box::pin(queue.turn(CALL, Urgency::New, &asker));
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut nobody).is_pending());
    }
    drop(asker);
    assert!(inbox.recv().await.is_none(), "nobody holds the events");
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_dropped_gives_its_place_back() {
    let queue = queue(1).await;
    let (events, _inbox) = mpsc::channel(1);
    let asker = Asker::new(0, events);
    for _ in 0..3 {
        drop(queue.turn(CALL, Urgency::New, &asker).await);
    }
    assert_eq!(queue.state().limiter.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_is_felt_by_those_who_wait_already() {
    let queue = queue(1_000).await;
    let waiting: Vec<_> = (0..600).map(|_| ("x", Urgency::New, 0)).collect();
    let started = now();
    let raised = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue.set(PaceLimits {
            requests_per_minute: Some(60_000),
            ..PaceLimits::default()
        });
    };
    tokio::join!(order(&queue, &waiting), raised);
    let took = now() - started;
    assert!(took < Duration::from_secs(5), "{took:?}");
}
