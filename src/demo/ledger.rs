//! What the receiver has seen and answered, document by document: the other side's account of every delivery.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kind::{Kind, Reply};

/// The account of one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The statuses that its requests were answered with, in order.
    pub(super) answers: Vec<u16>,
    /// Every `webhook-id` that its requests carried.
    pub(super) webhook_ids: BTreeSet<String>,
    /// How many logins were made for it: those whose access token its requests were the first to carry.
    pub(super) logins: usize,
}

impl Entry {
    /// The answers that ended an attempt: after a 401 the dispatcher logs in and asks again within the same attempt.
    pub(super) fn final_answers(&self) -> impl Iterator<Item = u16> {
        self.answers.iter().copied().filter(|status| *status != 401)
    }

    /// How many requests were answered with 401.
    pub(super) fn not_authorized(&self) -> usize {
        self.answers.iter().filter(|status| **status == 401).count()
    }

    /// Whether the document arrived.
    pub(super) fn arrived(&self) -> bool {
        self.answers.contains(&200)
    }
}

/// A request for a document, as far as it matters how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Without the access token that is good at present.
    NotAuthorized,
    /// Authorized, but without a `webhook-id` or with a body that is not the document's.
    Malformed,
    /// In order.
    Good {
        /// Its `webhook-id`.
        webhook_id: String,
    },
}

/// How far things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Requests for documents.
    pub(super) requests: usize,
    /// Documents that arrived.
    pub(super) arrived: usize,
    /// Logins that were granted.
    pub(super) logins: usize,
}

/// The accounts of all documents.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    kinds: HashMap<String, Kind>,
    repaired: bool,
    entries: HashMap<String, Entry>,
    /// Logins whose access token no request has carried yet.
    fresh_logins: usize,
    tally: Tally,
}

impl Ledger {
    /// An empty ledger. A document that is not in `kinds` is taken at once.
    pub(super) fn new(kinds: impl IntoIterator<Item = (String, Kind)>) -> Self {
        Self(Mutex::new(Books { kinds: kinds.into_iter().collect(), ..Books::default() }))
    }

    /// Enters a request and says how it is answered.
    pub(super) fn enter(&self, document: &str, seen: Seen) -> Reply {
        let mut books = self.books();
        let books = &mut *books;
        let kind = books.kinds.get(document).copied().unwrap_or(Kind::AtOnce);
        let entry = books.entries.entry(document.to_owned()).or_default();
        let reply = match seen {
            Seen::NotAuthorized => Reply::at_once(401),
            Seen::Malformed => Reply::at_once(400),
            Seen::Good { webhook_id } => {
                entry.webhook_ids.insert(webhook_id);
                entry.logins += std::mem::take(&mut books.fresh_logins);
                kind.reply(&entry.answers, books.repaired)
            }
        };
        if reply.status == 200 && !entry.arrived() {
            books.tally.arrived += 1;
        }
        books.tally.requests += 1;
        entry.answers.push(reply.status);
        reply
    }

    /// Enters a login that was granted.
    pub(super) fn enter_login(&self) {
        let mut books = self.books();
        books.tally.logins += 1;
        books.fresh_logins += 1;
    }

    /// From now on nothing is refused any more.
    pub(super) fn repair(&self) {
        self.books().repaired = true;
    }

    /// How far things are.
    pub(super) fn tally(&self) -> Tally {
        self.books().tally
    }

    /// The account of a document; empty when nothing was seen of it.
    pub(super) fn entry(&self, document: &str) -> Entry {
        self.books().entries.get(document).cloned().unwrap_or_default()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Seen {
        Seen::Good { webhook_id: "event-1".to_owned() }
    }

    #[test]
    fn a_document_arrives_once_however_often_it_comes() {
        let ledger = Ledger::new([("a".to_owned(), Kind::ErrorFirst)]);
        for seen in [Seen::NotAuthorized, good(), good(), good()] {
            ledger.enter("a", seen);
        }
        ledger.enter_login();

        let entry = ledger.entry("a");
        assert_eq!(entry.answers, [401, 500, 200, 200]);
        assert_eq!(entry.final_answers().collect::<Vec<_>>(), [500, 200, 200]);
        assert_eq!(entry.webhook_ids.len(), 1);
        assert_eq!(ledger.tally(), Tally { requests: 4, arrived: 1, logins: 1 });
    }

    #[test]
    fn a_login_is_made_for_the_document_that_its_access_token_comes_with_first() {
        let ledger = Ledger::default();

        ledger.enter_login();
        for document in ["a", "b", "a"] {
            ledger.enter(document, good());
        }
        ledger.enter_login();
        ledger.enter("b", good());

        assert_eq!(["a", "b"].map(|document| ledger.entry(document).logins), [1, 1]);
    }

    #[test]
    fn what_is_refused_is_taken_after_the_repair() {
        let ledger = Ledger::new([("a".to_owned(), Kind::Refused)]);

        let before = ledger.enter("a", good()).status;
        ledger.repair();
        let after = ledger.enter("a", good()).status;

        assert_eq!((before, after), (503, 200));
    }

    #[test]
    fn a_document_that_nobody_announced_is_taken() {
        let ledger = Ledger::default();

        assert_eq!(ledger.enter("unknown", good()), Reply::at_once(200));
        assert_eq!(ledger.enter("unknown", Seen::Malformed), Reply::at_once(400));
        assert_eq!(ledger.entry("never seen"), Entry::default());
    }
}
