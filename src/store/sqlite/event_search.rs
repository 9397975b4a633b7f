//! How events are found by what people know of them: block by block, each asked once.
//!
//! A block is some thousands of events that came in one after the other (the migration `event_search` says why). Which block
//! an event is in makes searches fast and nothing else: whatever its number, the event is found.

use rusqlite::Connection;

use super::statements::{Built, Statements};
use crate::domain::event::EventType;
use crate::store::error::StoreError;

/// The block of events that come in now: rows are numbered as they come.
pub(super) const CURRENT: &str = "select coalesce(max(rowid), 0) / 4096 from event";

/// Notes that a block has events of a type.
pub(super) const NOTE_TYPE: &str = "insert or ignore into event_type_block (block, event_type) values (?, ?)";

/// Steps from one block to the next along the index `event_search`, however many events each has.
const IN_EACH_BLOCK: &str = "
    (with recursive each(block) as (
        select max(block) from event indexed by event_search
        union all
        select (select max(b.block) from event b indexed by event_search where b.block < each.block) from each where each.block is not null)
    select block from each where block is not null) blocks
    cross join event e indexed by event_search on e.block = blocks.block";

pub(super) const BLOCKS_OF_TYPE: &str = "select block from event_type_block where event_type = ? order by block desc limit ?";

/// A type that is in more blocks than this is better looked for among all events, the newest first.
const FEW_BLOCKS: usize = 100;

/// What leads to the events that somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Those with a subject: in each block.
    Subject,
    /// Those of a type: in the few blocks that have any.
    Type(Vec<i64>),
}

impl Search {
    /// The way to events with this subject or else of this type; `None` if there is none that is shorter than all events.
    pub(super) fn of(db: &Connection, subject: Option<&str>, event_type: Option<&EventType>) -> Result<Option<Self>, StoreError> {
        match (subject, event_type) {
            (Some(_), _) => Ok(Some(Self::Subject)),
            (None, Some(event_type)) => {
                let most = i64::try_from(FEW_BLOCKS + 1).unwrap_or(i64::MAX);
                let blocks: Vec<i64> = db.rows(BLOCKS_OF_TYPE, (event_type.as_str(), most), |row| Ok(row.get(0)?))?;
                Ok((blocks.len() <= FEW_BLOCKS).then_some(Self::Type(blocks)))
            }
            (None, None) => Ok(None),
        }
    }

    /// What stands after `from`; the events are `e`.
    pub(super) const fn tables(&self) -> &'static str {
        match self {
            Self::Subject => IN_EACH_BLOCK,
            Self::Type(_) => "event e indexed by event_search",
        }
    }

    /// What stands among the conditions, beside those on subject and type.
    pub(super) fn push_condition(&self, query: &mut Built) {
        if let Self::Type(blocks) = self {
            query.push(" and e.block in ").bind_numbers(blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::{Settings, open_writer};
    use super::*;

    const BLOCKS: i64 = 120;

    /// Each block has an event of a common type, the first and the last one of a rare type too; each third one is about `7`.
    fn database() -> Connection {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&Settings::new(&folder.path().join("test.db"))).unwrap();
        db.execute_batch("PRAGMA foreign_keys = off").unwrap();
        for block in 0..BLOCKS {
            let rare = (block == 0 || block == BLOCKS - 1).then_some("rare");
            for (place, event_type) in (0..).zip(std::iter::once("common").chain(rare)) {
                let subject = if block % 3 == 0 { "7" } else { "8" };
                let id = uuid::Uuid::from_u64_pair(block.cast_unsigned(), place);
                let insert = "insert into event (id, client_id, event_type, subject, payload, created_at, block) values (?1, ?1, ?2, ?3, x'', 0, ?4)";
                db.change(insert, (id, event_type, subject, block)).unwrap();
                db.change(NOTE_TYPE, (block, event_type)).unwrap();
            }
        }
        db
    }

    fn search(db: &Connection, subject: Option<&str>, event_type: Option<&str>) -> Option<Search> {
        let event_type = event_type.map(|text| text.parse().unwrap());
        Search::of(db, subject, event_type.as_ref()).unwrap()
    }

    fn found(db: &Connection, search: &Search, condition: &str) -> Vec<i64> {
        let mut query = Built::new("select e.block from ");
        query.push(search.tables()).push(" where ").push(condition);
        search.push_condition(&mut query);
        query.push(" order by e.id");
        query.rows(db, |row| Ok(row.get(0)?)).unwrap()
    }

    #[test]
    fn a_subject_is_found_in_each_block_once() {
        let db = database();

        let found = found(&db, &search(&db, Some("7"), None).unwrap(), "e.subject = '7' and e.event_type = 'common'");

        assert_eq!(found, (0..BLOCKS).step_by(3).collect::<Vec<_>>());
    }

    #[test]
    fn a_rare_type_is_looked_for_where_it_is_and_a_common_one_everywhere() {
        let db = database();

        let rare = search(&db, None, Some("rare")).unwrap();
        assert_eq!(rare, Search::Type(vec![BLOCKS - 1, 0]));
        assert_eq!(found(&db, &rare, "e.event_type = 'rare'"), [0, BLOCKS - 1]);
        assert_eq!(search(&db, None, Some("unheard-of")), Some(Search::Type(Vec::new())));
        assert_eq!(search(&db, None, Some("common")), None);
        assert_eq!(search(&db, None, None), None);
    }

    #[test]
    fn the_block_grows_with_the_rows() {
        let db = database();
        assert_eq!(db.number(CURRENT, ()).unwrap(), 0);

        db.change("update event set rowid = 3 * 4096 where rowid = 1", ()).unwrap();

        assert_eq!(db.number(CURRENT, ()).unwrap(), 3);
    }
}
