//! The documents of a run, as the OCR service gives them: finished, with what was read in them.
//!
//! Made from a seed, so that every run hands in the same documents.

use std::time::Duration;

use bytes::Bytes;
use chrono::FixedOffset;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Builder;

use super::kind::Kind;
use super::papers;
use crate::domain::time::Timestamp;

/// What the seed of all documents is.
const SEED: u64 = 42;

/// The offset in which the OCR service gives its times: that of Brasília.
const OFFSET_SECONDS: i32 = -3 * 60 * 60;

/// A document that is to be handed in.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its id.
    pub(super) id: String,
    /// Which way its delivery goes.
    pub(super) kind: Kind,
    /// The document object, as JSON.
    pub(super) body: Bytes,
}

/// The documents of a run, finished at `now`.
pub(super) fn documents(count: usize, now: Timestamp) -> Vec<Document> {
    let mut chance = StdRng::seed_from_u64(SEED);
    (0..count).map(|index| document(Kind::of(index, count), now, &mut chance)).collect()
}

fn document(kind: Kind, now: Timestamp, chance: &mut StdRng) -> Document {
    let mut bytes = [0; 16];
    chance.fill_bytes(&mut bytes);
    let id = match kind {
        Kind::OddId => "nota fiscal/42".to_owned(),
        _ => Builder::from_random_bytes(bytes).into_uuid().to_string(),
    };
    let body = Bytes::from(object(&id, now, chance).to_string());
    Document { id, kind, body }
}

/// The document object: what `GET /api_document/documents/{id}` of the OCR service gives.
fn object(id: &str, now: Timestamp, chance: &mut StdRng) -> Value {
    let data = papers::any(chance);
    let took = Duration::from_millis(chance.random_range(900..14_000));
    let process_time = (took.as_secs_f64() * 100.0).round() / 100.0;
    json!({
        "id": id,
        "type": 1,
        "fileType": "pdf",
        "data": data,
        "processTime": process_time,
        "status": 1,
        "statusDesc": "FINISHED",
        "createdAt": written(now - took),
        "updatedAt": written(now),
    })
}

fn written(time: Timestamp) -> String {
    FixedOffset::east_opt(OFFSET_SECONDS).map_or_else(|| time.to_string(), |offset| time.to_rfc3339(offset))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);

    fn parsed(document: &Document) -> Value {
        serde_json::from_slice(&document.body).unwrap()
    }

    #[test]
    fn a_document_is_a_finished_object_of_the_ocr_service() {
        let document = &documents(1, NOW)[0];

        let object = parsed(document);
        let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "type", "fileType", "data", "processTime", "status", "statusDesc", "createdAt", "updatedAt"]);
        assert_eq!(object["id"], document.id.as_str());
        assert_eq!(object["statusDesc"], "FINISHED");
        assert_eq!(object["updatedAt"], "2024-04-11T14:12:33.741194-03:00");
        assert!(object["data"].as_object().unwrap().len() >= 5);
    }

    #[test]
    fn ids_are_uuids_and_one_is_odd() {
        let ids: HashSet<String> = documents(500, NOW).into_iter().map(|document| document.id).collect();

        assert_eq!(ids.len(), 500);
        assert_eq!(ids.iter().filter(|id| id.parse::<uuid::Uuid>().is_err()).collect::<Vec<_>>(), ["nota fiscal/42"]);
    }

    #[test]
    fn every_run_hands_in_the_same_documents_and_no_two_are_alike() {
        let bodies = || documents(50, NOW).into_iter().map(|document| document.body).collect::<Vec<_>>();

        assert_eq!(bodies(), bodies());
        assert_eq!(bodies().into_iter().collect::<HashSet<_>>().len(), 50);
    }
}
