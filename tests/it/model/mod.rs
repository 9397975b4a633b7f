//! Random sequences of everything that can happen to a store, on a back end and on a reference in memory, compared after
//! every call.
//!
//! A case of `store_conformance` says that one sentence of the contract holds where somebody thought of it; this says that
//! all of them hold together where nobody did. When a sequence fails it is cut down to what is needed to fail, and printed as
//! the code that `kept` holds: there it stays.

mod attempts;
mod backend;
mod comparison;
mod difference;
mod driver;
mod history;
mod kept;
mod reference;
mod steps;

use std::sync::Arc;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Runtime;

use self::backend::Backend;
use self::difference::Difference;
use self::driver::Driver;
use self::steps::{Step, sequences};
use crate::support::postgres::FreshDatabase;
use crate::support::settings::{from_environment, seed};

/// The longest sequence.
const MOST_STEPS: usize = 100;

/// How long a failing sequence is cut down, in milliseconds.
const CUT_DOWN_FOR: u32 = 240_000;

/// Tries so many sequences; `DISPATCHER_TEST_MODEL_ROUNDS` says otherwise.
fn rounds() -> u32 {
    from_environment("DISPATCHER_TEST_MODEL_ROUNDS").unwrap_or(64)
}

#[test]
fn sqlite_does_what_the_reference_does_whatever_happens() {
    try_random_sequences(Backend::sqlite);
}

#[test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
fn postgres_does_what_the_reference_does_whatever_happens() {
    let database = Arc::new(FreshDatabase::create());
    try_random_sequences(|| Backend::postgres(&database));
}

#[test]
fn sqlite_does_what_the_reference_does_where_a_store_once_did_not() {
    try_kept_sequences(Backend::sqlite);
}

#[test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
fn postgres_does_what_the_reference_does_where_a_store_once_did_not() {
    let database = Arc::new(FreshDatabase::create());
    try_kept_sequences(|| Backend::postgres(&database));
}

fn try_random_sequences(fresh: impl Fn() -> Backend) {
    let (runtime, seed) = (Runtime::new().unwrap(), seed());
    let config = Config {
        cases: rounds(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_time: CUT_DOWN_FOR,
        // Time alone is the bound.
        max_shrink_iters: u32::MAX - 1,
        ..Config::default()
    };
    let compare = |steps: Vec<Step>| {
        let compared = runtime.block_on(compare(fresh(), &steps));
        compared.map_err(|difference| TestCaseError::fail(difference.to_string()))
    };

    match TestRunner::new(config).run(&sequences(MOST_STEPS), compare) {
        Ok(()) => (),
        Err(TestError::Fail(why, steps)) => panic!("{why}\n\n{}\n(seed {seed})", as_code(&steps)),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn try_kept_sequences(fresh: impl Fn() -> Backend) {
    let runtime = Runtime::new().unwrap();
    for (what, steps) in kept::sequences() {
        if let Err(difference) = runtime.block_on(compare(fresh(), &steps)) {
            panic!("{what}: {difference}");
        }
    }
}

async fn compare(backend: Backend, steps: &[Step]) -> Result<(), Difference> {
    let mut driver = Driver::on(backend).await?;
    for (number, step) in steps.iter().enumerate() {
        driver.take(step).await.map_err(|difference| difference.after(number + 1, step))?;
    }
    driver.compare_everything().await?;
    driver.close().await;
    Ok(())
}

/// The steps as they are written in `kept`.
fn as_code(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("    {step:?},")).collect::<Vec<_>>().join("\n")
}
