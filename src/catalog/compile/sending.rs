//! How the system of a catalogue sends.

use std::time::Duration;

use http::HeaderName;
use toml::Spanned;

use super::super::error::Report;
use super::super::file::{HeaderFile, SendingFile, SignFile};
use super::super::sending::{Sending, Sign};
use super::super::template::{TemplateName, Templates};
use super::{Text, refuse};
use crate::domain::headers::is_of_the_connection;
use crate::domain::retry::RetryPolicy;

/// The template of the body of every event that has none of its own.
const BODY: &str = "sending.body";

/// `None` once something is noted as wrong.
pub(super) fn read(written: SendingFile, mut templates: Templates, has_event_bodies: bool, report: &mut Report<'_>) -> Option<Sending> {
    let method =
        written.method.as_ref().map(|text| text.get_ref().parse().map_err(|error| refuse(report, text, "sending.method", error)).ok());
    let headers = headers(&written.headers, &mut templates, report);
    let body = written.body.as_ref().and_then(|text| template(BODY, text, &mut templates, report));
    let sign = written.sign.map(|sign| signer(&sign, &headers, report));
    let timeout = written.timeout_ms.map(|ms| timeout(&ms, report));
    let retry = retry(written.retry_delays_seconds, written.retry_jitter, report);
    let reads_payload = templates.any_uses("payload");
    Some(Sending {
        method: method.map_or(Some(None), |read| read.map(Some))?,
        standard_headers: written.standard_headers.unwrap_or(true),
        timeout,
        retry,
        sign: sign.map_or(Some(None), |read| read.map(Some))?,
        headers,
        body,
        templates,
        reads_payload,
        has_event_bodies,
    })
}

/// Compiles a template; answers its name.
pub(super) fn template(name: &str, text: &Text, templates: &mut Templates, report: &mut Report<'_>) -> Option<TemplateName> {
    let added = templates.add(name, text.get_ref());
    added.map_err(|error| report.refuse_inside(text.span().start, error.line, name, format!("is no template: {}", error.reason))).ok()?;
    Some(name.to_owned())
}

fn headers(written: &[HeaderFile], templates: &mut Templates, report: &mut Report<'_>) -> Vec<(HeaderName, TemplateName)> {
    let mut headers = Vec::new();
    for (place, header) in written.iter().enumerate() {
        let mut wrong = |what| refuse(report, &header.name, format!("sending.headers[{place}].name"), what);
        let name = match HeaderName::try_from(header.name.get_ref().as_str()) {
            Err(_) => {
                wrong("is no header's name");
                None
            }
            Ok(name) if is_of_the_connection(name.as_str()) => {
                wrong("is set by the dispatcher itself");
                None
            }
            Ok(name) => Some(name),
        };
        let value = template(&format!("sending.headers[{place}].value"), &header.value, templates, report);
        headers.extend(name.zip(value));
    }
    headers
}

fn signer(written: &SignFile, headers: &[(HeaderName, TemplateName)], report: &mut Report<'_>) -> Option<Sign> {
    if written.kind.get_ref() != "rsa" {
        refuse(report, &written.kind, "sending.sign.kind", "must be rsa");
    }
    let signed = headers.iter().map(|(name, _)| name).find(|name| name.as_str() == written.header.get_ref());
    if signed.is_none() {
        refuse(report, &written.header, "sending.sign.header", "must be one of sending.headers, in lower case");
    }
    if written.columns == 0 {
        refuse(report, &written.header, "sending.sign.columns", "must be at least 1");
    }
    Some(Sign { header: signed?.clone(), columns: written.columns })
}

fn timeout(ms: &Spanned<u64>, report: &mut Report<'_>) -> Duration {
    if !(100..=300_000).contains(ms.get_ref()) {
        report.refuse(ms.span().start, "sending.timeout_ms", "must be 100 to 300000");
    }
    Duration::from_millis(*ms.get_ref())
}

fn retry(delays: Option<Spanned<Vec<u64>>>, jitter: Option<Spanned<f64>>, report: &mut Report<'_>) -> Option<RetryPolicy> {
    let delays = delays?;
    let offset = delays.span().start;
    let jitter = jitter.map_or(0.0, Spanned::into_inner);
    let policy = RetryPolicy::new(delays.into_inner().into_iter().map(Duration::from_secs).collect(), jitter);
    policy.map_err(|error| report.refuse(offset, "sending.retry_delays_seconds", error)).ok()
}
