//! Where a back end and the reference part, in words.

use std::fmt;

use webhook_dispatcher::store::StoreError;

use super::steps::Step;

/// Why a sequence of steps fails.
#[derive(Debug)]
pub(super) struct Difference(String);

impl Difference {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Tells with which step it showed.
    pub(super) fn after(self, number: usize, step: &Step) -> Self {
        Self(format!("after step {number}, {step:?}:\n{}", self.0))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No call of a sequence may fail: whatever can be refused is answered as data.
impl From<StoreError> for Difference {
    fn from(error: StoreError) -> Self {
        Self(format!("the store failed: {error:?}"))
    }
}

/// Both say the same.
pub(super) fn agree<T: fmt::Debug + PartialEq>(what: &str, expected: &T, answered: &T) -> Result<(), Difference> {
    if expected == answered {
        return Ok(());
    }
    let (expected, answered) = apart(&format!("{expected:#?}"), &format!("{answered:#?}"));
    Err(Difference(format!("{what}\n  is to be {expected}\n  but is   {answered}")))
}

/// The lines of two texts from the first to the last in which they differ.
fn apart(expected: &str, answered: &str) -> (String, String) {
    let (mut expected, mut answered): (Vec<_>, Vec<_>) =
        (expected.lines().map(str::trim).collect(), answered.lines().map(str::trim).collect());
    for _ in 0..2 {
        let alike = expected.iter().zip(&answered).take_while(|(expected, answered)| expected == answered).count();
        expected.drain(..alike);
        answered.drain(..alike);
        expected.reverse();
        answered.reverse();
    }
    (expected.join(" "), answered.join(" "))
}

/// Both say the same of one thing after the other; tells the first of which they do not.
pub(super) fn agree_on_all<T: fmt::Debug + PartialEq>(what: &str, expected: &[T], answered: &[T]) -> Result<(), Difference> {
    for place in 0..expected.len().max(answered.len()) {
        agree(&format!("{what}, place {place}"), &expected.get(place), &answered.get(place))?;
    }
    Ok(())
}

/// What can be seen of values that have no equality of their own.
pub(super) fn shown<'v, T: fmt::Debug + 'v>(values: impl IntoIterator<Item = &'v T>) -> Vec<Shown> {
    values.into_iter().map(|value| Shown(format!("{value:#?}"))).collect()
}

#[derive(PartialEq)]
pub(super) struct Shown(String);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
