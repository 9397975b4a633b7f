//! `verify`: whether a request that a receiver captured is genuine.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::DateTime;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::domain::signature::VerifyingKey;
use crate::domain::signature::captured::{Captured, check};
use crate::domain::time::{Clock, SystemClock, Timestamp};

/// Ends with 0 when the request is genuine, with 1 when it is not, with 2 when that cannot be judged.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A file with the headers, one on a line; a request line before them tells the method.
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// One header, beside or in place of the file.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The file with the body, byte for byte; `-` for standard input. Without it the request had no body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// What the webhook's `rotate-secret` gave: `whsec_…` or `whpk_…`. Other users of this machine may see it here.
    #[arg(long, value_name = "KEY", required_unless_present = "secret_file", conflicts_with = "secret_file")]
    secret: Option<String>,
    /// A file that holds it.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The method, when no request line tells it.
    #[arg(long)]
    method: Option<String>,
    /// The url that the webhook was called at; needed for HTTP message signatures.
    #[arg(long)]
    url: Option<Url>,
    /// Seconds that the request may be older or younger than now.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    tolerance: u64,
    /// What time it is, as RFC 3339 or as seconds since 1970, to judge an old capture; the present when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
}

/// What a file of headers holds.
struct Head {
    method: Option<String>,
    headers: HeaderMap,
}

pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    match judge(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(io::stderr(), "webhook-dispatcher: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn judge(args: &VerifyArgs) -> anyhow::Result<bool> {
    let key = key(args)?;
    let Head { method, headers } = head(args)?;
    let body = args.body.as_deref().map_or_else(|| Ok(Vec::new()), body)?;
    let method = args.method.clone().or(method).unwrap_or_else(|| "POST".to_owned()).to_ascii_uppercase();
    let request = Captured { method: &method, url: args.url.as_ref(), headers: &headers, body: &body };
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let report = check(request, &key, now, Duration::from_secs(args.tolerance));
    let verdict = if report.is_genuine { "genuine" } else { "NOT genuine" };
    writeln!(io::stdout(), "{}\n{verdict}", report.lines.join("\n"))?;
    Ok(report.is_genuine)
}

fn key(args: &VerifyArgs) -> anyhow::Result<VerifyingKey> {
    let text = match (&args.secret, &args.secret_file) {
        (Some(text), _) => Zeroizing::new(text.clone()),
        (None, Some(path)) => Zeroizing::new(fs::read_to_string(path).with_context(|| path.display().to_string())?),
        (None, None) => bail!("a key is needed"),
    };
    Ok(text.trim().parse()?)
}

fn head(args: &VerifyArgs) -> anyhow::Result<Head> {
    let text = match &args.headers {
        Some(path) => fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => String::new(),
    };
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).peekable();
    // A request line has a space before any colon.
    let is_request_line =
        |line: &&str| line.split_once(' ').is_some_and(|(method, _)| method.bytes().all(|byte| byte.is_ascii_uppercase()));
    let method = lines.next_if(is_request_line).and_then(|line| Some(line.split_once(' ')?.0.to_owned()));
    let mut headers = HeaderMap::new();
    for line in lines.chain(args.header.iter().map(String::as_str)) {
        let (name, value) = line.split_once(':').with_context(|| format!("no header: {line}"))?;
        headers.append(HeaderName::try_from(name.trim())?, HeaderValue::from_str(value.trim())?);
    }
    Ok(Head { method, headers })
}

fn body(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    fs::read(path).with_context(|| path.display().to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let seconds = text.parse::<i64>().map(|seconds| Timestamp::from_micros(seconds.saturating_mul(1_000_000)));
    seconds
        .or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| Timestamp::from_micros(time.timestamp_micros())))
        .map_err(|error| error.to_string())
}
