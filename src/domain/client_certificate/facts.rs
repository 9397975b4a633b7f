//! What a certificate says of itself, for people: whose it is, until when it is good, and which one it is.
//!
//! Reads the few elements of X.509 (RFC 5280) that lie on the way. Whether the certificate is sound is not asked here.

use chrono::NaiveDateTime;
use sha2::{Digest, Sha256};

use super::super::client::hex;
use super::super::time::Timestamp;

pub(super) const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// How many characters of a name are shown.
const MAX_SUBJECT_CHARS: usize = 255;

/// The attributes of a name that are shown, by the last octet of their identifier in the arc 2.5.4.
const ATTRIBUTES: [(u8, &str); 7] = [(3, "CN"), (5, "serialNumber"), (6, "C"), (7, "L"), (8, "ST"), (10, "O"), (11, "OU")];

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is, as in `CN=client.example, O=Acme`; on one line, and empty when it says nothing that is known here.
    pub subject: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// The SHA-256 of the certificate, in hexadecimal digits: what `openssl x509 -fingerprint -sha256` shows.
    pub sha256: String,
}

impl CertificateFacts {
    /// Whether it is good no more.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at < now
    }

    /// Reads a certificate in DER form; `None` for what is none.
    pub(super) fn read(certificate: &[u8]) -> Option<Self> {
        let mut certified = Der(Der(Der(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
        certified.skip(VERSION);
        // Serial number, algorithm, issuer.
        certified.take(INTEGER)?;
        certified.take(SEQUENCE)?;
        certified.take(SEQUENCE)?;
        let mut validity = Der(certified.take(SEQUENCE)?);
        validity.next()?;
        let expires_at = time(validity.next()?)?;
        let subject = subject(certified.take(SEQUENCE)?);
        let sha256 = hex(&Sha256::digest(certificate));
        Some(Self { subject, expires_at, sha256 })
    }
}

/// Elements one after another, each with a tag, a length and a content.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The next element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Passes over an element that may stand here.
    fn skip(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

/// A length, and what follows it. Nothing here is longer than three octets of length can say.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((first.into(), rest)),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked((first & 0x7f).into())?;
            Some((octets.iter().fold(0, |length, &octet| (length << 8) | usize::from(octet)), rest))
        }
        _ => None,
    }
}

fn time((tag, content): (u8, &[u8])) -> Option<Timestamp> {
    let text = str::from_utf8(content).ok()?;
    let full = match tag {
        // Two digits of the year: RFC 5280, 4.1.2.5.1.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ").ok()?;
    Some(time.and_utc().into())
}

/// A name as text: the attributes that are known, in their order, without characters that would make more than one line.
fn subject(name: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut sets = Der(name);
    while let Some(set) = sets.take(SET) {
        let mut attributes = Der(set);
        while let Some(attribute) = attributes.take(SEQUENCE) {
            parts.extend(shown(attribute));
        }
    }
    parts.join(", ").chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).take(MAX_SUBJECT_CHARS).collect()
}

fn shown(attribute: &[u8]) -> Option<String> {
    let mut parts = Der(attribute);
    let &[0x55, 0x04, last] = parts.take(OBJECT_IDENTIFIER)? else { return None };
    let (_, name) = ATTRIBUTES.iter().find(|(known, _)| *known == last)?;
    let (tag, content) = parts.next()?;
    let is_text = matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
    is_text.then(|| str::from_utf8(content).ok()).flatten().map(|text| format!("{name}={text}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_until_when() {
        let der = certificate(|params| {
            params.distinguished_name.push(DnType::CountryName, "BR");
            params.distinguished_name.push(DnType::OrganizationName, "Açaí\u{2028}\nLtda");
            params.distinguished_name.push(DnType::CommonName, "client.example");
            params.not_after = date_time_ymd(2031, 5, 17);
        });

        let facts = CertificateFacts::read(&der).unwrap();

        assert_eq!(facts.subject, "C=BR, O=AçaíLtda, CN=client.example");
        assert_eq!(facts.expires_at, Timestamp::parse_rfc3339("2031-05-17T00:00:00Z").unwrap());
        assert_eq!(facts.sha256.len(), 64);
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        for (year, text) in [(1999, "1999-01-02T00:00:00Z"), (2049, "2049-01-02T00:00:00Z"), (2050, "2050-01-02T00:00:00Z")] {
            let der = certificate(|params| {
                params.not_before = date_time_ymd(1990, 1, 1);
                params.not_after = date_time_ymd(year, 1, 2);
            });

            assert_eq!(CertificateFacts::read(&der).unwrap().expires_at, Timestamp::parse_rfc3339(text).unwrap());
        }
    }

    #[test]
    fn a_name_that_says_nothing_known_is_empty_and_a_long_one_is_cut() {
        let long = certificate(|params| params.distinguished_name.push(DnType::CommonName, "é".repeat(1_000)));

        assert_eq!(CertificateFacts::read(&certificate(|_| {})).unwrap().subject, "");
        assert_eq!(CertificateFacts::read(&long).unwrap().subject.chars().count(), 255);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>) {
            CertificateFacts::read(&bytes);
        }

        #[test]
        fn a_broken_certificate_is_read_or_refused(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut der = certificate(|params| params.distinguished_name.push(DnType::CommonName, "client.example"));
            let (at, cut) = (at.index(der.len()), cut.index(der.len()));
            der[at] = byte;

            CertificateFacts::read(&der);
            prop_assert!(CertificateFacts::read(&der[..cut]).is_none_or(|facts| facts.subject.len() < 64));
        }
    }
}
