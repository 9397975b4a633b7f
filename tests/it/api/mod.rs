//! Tests of the REST interface, by the nouns of its paths. They hold paths, field names and statuses literally.

mod completions;
mod ocr_webhooks;
