//! Random input for everything that reads what strangers write: it never panics, what is made is read back, and what was
//! altered is never taken for genuine.
//!
//! `DISPATCHER_TEST_FUZZ_ROUNDS` says how many inputs each test tries (256 unless told), `DISPATCHER_TEST_SEED` which ones.

mod addresses;
mod answers;
mod cursors;
mod envelopes;
mod signatures;
mod urls;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::support::settings::{from_environment, seed};

type Held = Result<(), TestCaseError>;

fn rounds() -> u32 {
    from_environment("DISPATCHER_TEST_FUZZ_ROUNDS").unwrap_or(256)
}

/// Asserts that `holds` does for every input that is tried.
#[track_caller]
fn for_all<S: Strategy<Value: Debug>>(inputs: &S, holds: impl Fn(S::Value) -> Held) {
    let (cases, seed) = (rounds(), seed());
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, max_global_rejects: cases * 64, ..Config::default() };
    match TestRunner::new(config).run(inputs, holds) {
        Ok(()) => (),
        Err(TestError::Fail(why, input)) => panic!("{why}\n{input:?}\n(seed {seed})"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
