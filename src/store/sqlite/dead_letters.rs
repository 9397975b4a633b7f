//! Dead letters, counted by webhook and reason.

use rusqlite::Connection;

use super::statements::Built;
use crate::store::error::StoreError;
use crate::store::records::{DeadLetterGroup, Scope};
use crate::store::rows::dead_letter_group;

/// Does what `Deliveries::dead_letter_groups` promises: reads no more than the newest.
pub(super) fn groups(db: &Connection, scope: Scope, most: u32) -> Result<Vec<DeadLetterGroup>, StoreError> {
    statement(scope, most).rows(db, |row| dead_letter_group(row))
}

fn statement(scope: Scope, most: u32) -> Built {
    let mut query = Built::new(
        "select webhook_id, dead_letter_reason, count(*), max(finished_at) from (
        select webhook_id, dead_letter_reason, finished_at from delivery indexed by ",
    );
    match scope {
        Scope::All => query.push("delivery_finished where state = 'dead_lettered' and finished_at is not null order by finished_at desc"),
        Scope::Client(id) => query
            .push("delivery_dead_letter where state = 'dead_lettered' and client_id = ")
            .bind_id(id.as_uuid())
            .push(" order by id desc"),
    };
    query.push(" limit ").bind(most);
    query.push(") group by 1, 2 order by 3 desc, 4 desc, 1, 2");
    query
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The statement, for a look at its plan.
    pub(in super::super) fn text(scope: Scope) -> String {
        statement(scope, 10).sql().to_owned()
    }
}
