//! Dead letters, counted by webhook and reason.

use sqlx::PgConnection;

use crate::store::error::StoreError;
use crate::store::records::{DeadLetterGroup, Scope};
use crate::store::rows::dead_letter_group;

/// Reads no more than the newest, along the index `delivery_finished`.
pub(super) const OF_ALL: &str = "
    select webhook_id, dead_letter_reason, count(*), max(finished_at) from (
        select webhook_id, dead_letter_reason, finished_at from delivery
        where state = 'dead_lettered' and finished_at is not null order by finished_at desc limit $1
    ) newest group by 1, 2 order by 3 desc, 4 desc, 1, 2";

/// The same along the index `delivery_dead_letter`.
pub(super) const OF_CLIENT: &str = "
    select webhook_id, dead_letter_reason, count(*), max(finished_at) from (
        select webhook_id, dead_letter_reason, finished_at from delivery
        where state = 'dead_lettered' and client_id = $2 order by id desc limit $1
    ) newest group by 1, 2 order by 3 desc, 4 desc, 1, 2";

/// Does what `Deliveries::dead_letter_groups` promises.
pub(super) async fn groups(db: &mut PgConnection, scope: Scope, most: u32) -> Result<Vec<DeadLetterGroup>, StoreError> {
    let query = match scope {
        Scope::All => sqlx::query(OF_ALL).bind(i64::from(most)),
        Scope::Client(id) => sqlx::query(OF_CLIENT).bind(i64::from(most)).bind(id.as_uuid()),
    };
    query.fetch_all(db).await?.iter().map(|row| dead_letter_group(row)).collect()
}
