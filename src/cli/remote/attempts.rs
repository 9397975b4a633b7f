//! The attempts of a delivery, one after the other, as the dashboard shows them.

use std::io;

use serde_json::Value;

use super::output::{Output, cell};

/// Writes the attempts of `delivery`, the first one first.
pub(super) fn show(delivery: &Value, output: &mut Output<'_>) -> io::Result<()> {
    for attempt in delivery["attempts"].as_array().into_iter().flatten() {
        output.line("")?;
        output.line(&heading(attempt))?;
        for (title, pointer) in [("", "/detail"), ("called ", "/remoteAddress")] {
            let text = cell(attempt, pointer);
            if !text.is_empty() {
                output.line(&format!("  {title}{text}"))?;
            }
        }
        let phases = phases(attempt);
        if !phases.is_empty() {
            output.line(&format!("  {phases}"))?;
        }
        for kept in ["responseHead", "responseBody"] {
            output.block(attempt[kept].as_str().unwrap_or_default(), "  | ")?;
        }
    }
    Ok(())
}

/// `attempt 2  2024-04-11T…  retryable, status  500`
fn heading(attempt: &Value) -> String {
    let parts = ["/outcome", "/reason", "/status"].map(|pointer| cell(attempt, pointer));
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("attempt {}  {}  {}", cell(attempt, "/number"), cell(attempt, "/startedAt"), parts.join(", "))
}

/// How long its parts took, as far as they were reached.
fn phases(attempt: &Value) -> String {
    let known =
        [("login", "/phases/loginMs"), ("connect", "/phases/connectMs"), ("answer", "/phases/answerMs"), ("body", "/phases/bodyMs")];
    let parts = known.into_iter().filter_map(|(name, pointer)| Some(format!("{name} {} ms", attempt.pointer(pointer)?.as_f64()?)));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::output::tests::written;
    use super::*;

    #[test]
    fn an_attempt_is_told_with_its_phases_and_what_came_back() {
        let attempt = json!({
            "number": 2, "startedAt": "2024-04-11T14:12:33Z", "outcome": "retryable", "reason": "status", "status": 500,
            "detail": "status 500", "remoteAddress": "192.0.2.1:443", "phases": {"loginMs": null, "connectMs": 0.5, "answerMs": 12.5, "bodyMs": 1.0},
            "responseHead": "HTTP/1.1 500 X\r\nx-a: \u{1b}[2Jb", "responseBody": "a\nb",
        });

        let text = written(true, false, |output| show(&json!({"attempts": [attempt]}), output).unwrap());

        let expected = "\nattempt 2  2024-04-11T14:12:33Z  retryable, status, 500\n  status 500\n  called 192.0.2.1:443\n  \
            connect 0.5 ms, answer 12.5 ms, body 1 ms\n  | HTTP/1.1 500 X\n  | x-a: \\u001b[2Jb\n  | a\n  | b\n";
        assert_eq!(text, expected);
    }
}
