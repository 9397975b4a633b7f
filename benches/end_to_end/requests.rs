//! The requests of a measurement, made once and then only given their tickets.

use super::ticket::{self, Ticket};

/// The length of a document, and so of a delivery's body.
pub(crate) const DOCUMENT_BYTES: usize = 512;

const BEFORE_ID: &str = r#"{"id":""#;
const AFTER_ID: &str = r#"","type":1,"fileType":"pdf","processTime":10.02,"status":1,"statusDesc":"FINISHED","data":{"text":""#;
const END: &str = r#""}}"#;

const BEFORE_TYPE: &str = r#"{"type":""#;
const BEFORE_SUBJECT: &str = r#"","subject":""#;
const BEFORE_PAYLOAD: &str = r#"","payload":"#;

/// A document as a document service tells of it, [`DOCUMENT_BYTES`] long, its id still blank.
pub(crate) fn document() -> Vec<u8> {
    let text = DOCUMENT_BYTES - BEFORE_ID.len() - ticket::LENGTH - AFTER_ID.len() - END.len();
    format!("{BEFORE_ID}{}{AFTER_ID}{}{END}", blank_id(), "x".repeat(text)).into_bytes()
}

/// The type of the events that the webhook with this number wants, where there are several; of the same length for all.
pub(crate) fn event_type(webhook: u32) -> String {
    format!("measured.{webhook:08}")
}

fn blank_id() -> String {
    "0".repeat(ticket::LENGTH)
}

/// A request that enqueues completions, as bytes on the wire.
#[derive(Clone, Debug)]
pub(crate) struct EnqueueRequest {
    bytes: Vec<u8>,
    ids_at: Vec<usize>,
    /// Where the types stand; nowhere when there is only one webhook.
    types_at: Vec<usize>,
    webhooks: u32,
}

impl EnqueueRequest {
    /// A request with `count` completions, one object or an array of several, for so many webhooks in turn. For several it
    /// takes the call that knows events of any type.
    pub(crate) fn new(host: &str, api_key: &str, count: usize, webhooks: u32) -> Self {
        let (path, item, id_at, type_at) = if webhooks == 1 {
            ("/api_document/completions", document(), BEFORE_ID.len(), None)
        } else {
            let before_id = format!("{BEFORE_TYPE}{}{BEFORE_SUBJECT}", event_type(0));
            let item = [before_id.as_bytes(), blank_id().as_bytes(), BEFORE_PAYLOAD.as_bytes(), &document(), b"}"].concat();
            ("/v1/events", item, before_id.len(), Some(BEFORE_TYPE.len()))
        };
        let (length, is_list) = (item.len(), count > 1);
        let body = if is_list { [b"[", vec![item; count].join(&b","[..]).as_slice(), b"]"].concat() } else { item };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {api_key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let first = head.len() + usize::from(is_list);
        let starts = (0..count).map(|index| first + index * (length + 1));
        Self {
            bytes: [head.as_bytes(), &body].concat(),
            ids_at: starts.clone().map(|start| start + id_at).collect(),
            types_at: starts.filter_map(|start| Some(start + type_at?)).collect(),
            webhooks,
        }
    }

    /// The request for the completions from `first` on, begun at `begun`.
    pub(crate) fn with_tickets(&mut self, first: u32, begun: u64) -> &[u8] {
        for (sequence, &at) in (first..).zip(&self.ids_at) {
            Ticket { sequence, begun }.write(&mut self.bytes[at..at + ticket::LENGTH]);
        }
        for (sequence, &at) in (first..).zip(&self.types_at) {
            let event_type = event_type(sequence % self.webhooks);
            self.bytes[at..at + event_type.len()].copy_from_slice(event_type.as_bytes());
        }
        &self.bytes
    }
}
