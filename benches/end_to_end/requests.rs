//! The requests of a measurement, made once and then only given their tickets.

use super::ticket::{self, Ticket};

/// The length of a document, and so of a delivery's body.
pub(crate) const DOCUMENT_BYTES: usize = 512;

const BEFORE_ID: &str = r#"{"id":""#;
const AFTER_ID: &str = r#"","type":1,"fileType":"pdf","processTime":10.02,"status":1,"statusDesc":"FINISHED","data":{"text":""#;
const END: &str = r#""}}"#;

/// A document as a document service tells of it, [`DOCUMENT_BYTES`] long, its id still blank.
pub(crate) fn document() -> Vec<u8> {
    let blank_id = "0".repeat(ticket::LENGTH);
    let text = DOCUMENT_BYTES - BEFORE_ID.len() - ticket::LENGTH - AFTER_ID.len() - END.len();
    format!("{BEFORE_ID}{blank_id}{AFTER_ID}{}{END}", "x".repeat(text)).into_bytes()
}

/// A request that enqueues completions, as bytes on the wire.
#[derive(Clone, Debug)]
pub(crate) struct EnqueueRequest {
    bytes: Vec<u8>,
    ids_at: Vec<usize>,
}

impl EnqueueRequest {
    /// A request with `count` completions: one object, or an array of several.
    pub(crate) fn new(host: &str, api_key: &str, count: usize) -> Self {
        let body = if count == 1 { document() } else { [b"[", vec![document(); count].join(&b","[..]).as_slice(), b"]"].concat() };
        let head = format!(
            "POST /api_document/completions HTTP/1.1\r\nhost: {host}\r\nx-api-key: {api_key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let first_id = head.len() + usize::from(count > 1) + BEFORE_ID.len();
        let ids_at = (0..count).map(|index| first_id + index * (DOCUMENT_BYTES + 1)).collect();
        Self { bytes: [head.as_bytes(), &body].concat(), ids_at }
    }

    /// The request for the completions from `first` on, begun at `begun`.
    pub(crate) fn with_tickets(&mut self, first: u32, begun: u64) -> &[u8] {
        for (sequence, &at) in (first..).zip(&self.ids_at) {
            Ticket { sequence, begun }.write(&mut self.bytes[at..at + ticket::LENGTH]);
        }
        &self.bytes
    }
}
