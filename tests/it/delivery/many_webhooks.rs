//! Many webhooks, of which most hang: the others notice nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use webhook_dispatcher::delivery::PoolSettings;
use webhook_dispatcher::delivery::lanes::LaneSettings;

use crate::support::dispatcher::{Dispatcher, Setup};
use crate::support::receiver::{Receiver, Reply};

const HEALTHY: usize = 20;

/// A dispatcher with 64 places and deadlines that never pass.
async fn patient(max_stalled: usize) -> Dispatcher {
    let setup = Setup::default();
    let lanes = LaneSettings { max_stalled, ..setup.pool.lanes };
    let pool = PoolSettings { timeout: Duration::from_mins(5), lanes, ..setup.pool };
    Dispatcher::with(Setup { pool, ..setup }).await
}

/// A dispatcher with so many webhooks that hang, and twenty that answer, mixed.
async fn scene(hanging: usize, max_stalled: usize) -> (Dispatcher, Receiver, Receiver) {
    let never = Arc::new(Semaphore::new(0));
    let silent = Receiver::start(move |_, _| Reply::WhenAllowed(Arc::clone(&never))).await;
    let (app, healthy) = (patient(max_stalled).await, Receiver::answering([]).await);
    for n in 0..hanging + HEALTHY {
        let receiver = if n % (hanging / HEALTHY + 1) == 0 { &healthy } else { &silent };
        app.webhook(&receiver.url("/:id"), |_| {}).await;
    }
    (app, silent, healthy)
}

#[tokio::test]
async fn webhooks_that_hang_delay_the_others_by_no_time_at_all_however_many_they_are() {
    let (app, silent, healthy) = scene(200, 256).await;
    app.enqueue("first").await;
    app.pool.look_for_due().await.unwrap();
    app.settle(|| silent.seen().len() >= 40).await;
    while healthy.seen().len() < HEALTHY {
        // What hangs for a second makes way.
        app.clock.advance(Duration::from_secs(1));
        app.pool.look_for_due().await.unwrap();
        app.drive(50).await;
    }

    for n in 0..20 {
        app.enqueue(&format!("doc-{n}")).await;
    }
    app.pool.look_for_due().await.unwrap();
    app.settle(|| healthy.seen().len() >= 21 * HEALTHY).await;

    assert_eq!(healthy.seen().len(), 21 * HEALTHY, "the clock stood still all the while");
    assert!(app.pool.held() <= 64 + 256, "{}", app.pool.held());
    app.give_up().await;
}

#[tokio::test]
async fn webhooks_that_hang_never_hold_more_than_their_bound() {
    let (app, silent, healthy) = scene(200, 16).await;
    for n in 0..10 {
        app.enqueue(&format!("doc-{n}")).await;
    }

    for _ in 0..10 {
        app.pool.look_for_due().await.unwrap();
        app.drive(50).await;
        app.clock.advance(Duration::from_secs(1));
    }

    assert!(silent.seen().len() <= 48 + 16, "three quarters of the places, and what is counted as stalled: {}", silent.seen().len());
    assert!(app.pool.held() <= 64 + 16);
    drop(healthy);
    app.give_up().await;
}
