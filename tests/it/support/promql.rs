//! What an expression of Prometheus asks for, as far as its metrics and labels go, and what a scrape has of these.

use std::collections::{BTreeMap, BTreeSet};

/// What stands before a bracket of labels to group by.
const GROUPING: [&str; 4] = ["by", "without", "on", "ignoring"];

/// Words that are no metrics.
const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];

/// A metric that an expression names, and what it asks of its labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator, value.
    pub(crate) labels: Vec<(String, String, String)>,
}

/// The selectors of an expression, and the labels that it groups by.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) selectors: Vec<Selector>,
    pub(crate) grouped_by: BTreeSet<String>,
}

impl Asked {
    /// # Panics
    /// When brackets are left open or a label is not compared with a text.
    pub(crate) fn of(expression: &str) -> Self {
        let (mut asked, mut rest) = (Self::default(), expression);
        let brackets = |open: char, close: char| expression.matches(open).count() == expression.matches(close).count();
        assert!(brackets('(', ')') && brackets('{', '}') && brackets('[', ']'), "{expression}");
        while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            let (word, after) = split_word(&rest[at..]);
            rest = after.trim_start();
            if GROUPING.contains(&word) {
                let (labels, after) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).expect(expression);
                asked.grouped_by.extend(labels.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !word.starts_with(|c: char| c.is_ascii_digit())
                && !WORDS.contains(&word)
                && !rest.starts_with('(')
                && !is_grouped(rest)
            {
                let (labels, after) = rest.strip_prefix('{').map_or(("", rest), |rest| rest.split_once('}').expect(expression));
                asked.selectors.push(Selector { metric: word.to_owned(), labels: matchers(labels) });
                rest = after;
            }
        }
        asked
    }
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// After an aggregation may stand what it groups by.
fn is_grouped(rest: &str) -> bool {
    GROUPING.contains(&split_word(rest).0)
}

fn matchers(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (label, rest) = split_word(part);
        let (operator, value) = rest.split_once('"').expect(part);
        found.push((label.to_owned(), operator.trim().to_owned(), value.trim_end_matches('"').to_owned()));
    }
    found
}

/// The labels of the samples of a scrape, with the values that they have, by metric.
pub(crate) fn scraped(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut metrics = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (metric, rest) = split_word(line);
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let known = metrics.entry(metric.to_owned()).or_default();
        for (label, _, value) in matchers(labels) {
            known.entry(label).or_default().insert(value);
        }
    }
    metrics
}

#[test]
fn an_expression_is_taken_apart() {
    let text = r#"max by (le, state) (rate(a_total{x="1", y!~"z"}[5m])) > 0.5 * sum(b offset 15m or vector(0)) and c >= 2e9"#;

    let asked = Asked::of(text);

    let labels = [("x", "=", "1"), ("y", "!~", "z")].map(|(label, operator, value)| (label.into(), operator.into(), value.into()));
    let plain = |metric: &str| Selector { metric: metric.to_owned(), labels: Vec::new() };
    assert_eq!(asked.selectors, [Selector { metric: "a_total".to_owned(), labels: labels.into() }, plain("b"), plain("c")]);
    assert_eq!(asked.grouped_by, BTreeSet::from(["le".to_owned(), "state".to_owned()]));
}
