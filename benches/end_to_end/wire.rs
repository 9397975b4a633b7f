//! HTTP/1.1 as far as both ends of a measurement need it: where a message ends, and what its first line is.
//!
//! Cheap rather than complete: bodies have a `content-length` or are empty. What is not understood is an error, never
//! a guess.

use anyhow::{Context as _, bail};

/// A whole message at the start of what was read.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The request or status line.
    pub(crate) first_line: &'a [u8],
    /// The first line and the headers.
    pub(crate) head: &'a [u8],
    /// How long the body is.
    pub(crate) body_length: usize,
    /// How long the message is, body included.
    pub(crate) length: usize,
}

/// The message that `read` starts with; `None` while its end has not been read.
pub(crate) fn first_message(read: &[u8]) -> anyhow::Result<Option<Message<'_>>> {
    let Some(head_length) = head_length(read) else { return Ok(None) };
    let mut lines = read[..head_length].split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first_line = lines.next().unwrap_or_default();
    let mut body_length = 0;
    for line in lines {
        if let Some(value) = header(line, b"content-length:") {
            body_length = std::str::from_utf8(value)?.trim().parse().context("a content-length is not a number")?;
        } else if header(line, b"transfer-encoding:").is_some() {
            bail!("a message comes in chunks, which are not understood here");
        }
    }
    let length = head_length + body_length;
    Ok((read.len() >= length).then_some(Message { first_line, head: &read[..head_length], body_length, length }))
}

/// The status of an answer's first line.
pub(crate) fn status(first_line: &[u8]) -> Option<u16> {
    let code = first_line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// The path of a request's first line.
pub(crate) fn path(first_line: &[u8]) -> Option<&[u8]> {
    first_line.split(|&byte| byte == b' ').nth(1)
}

fn head_length(read: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    read.windows(END.len()).position(|window| window == END).map(|start| start + END.len())
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}
