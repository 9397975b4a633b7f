//! The demonstration, run as a user runs it: the real program, judged by what it prints and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::support::process::signal;

/// The program, with its temporary files in `folder` and on a port that nobody else gets.
fn demo(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-dispatcher"));
    command.arg("demo").args(["--rate", "50", "--set", "server.listen=127.0.0.1:0"]).env("TMPDIR", folder.path()).stdin(Stdio::null());
    command
}

/// The columns of the table's row with this title.
fn row(stdout: &str, title: &str) -> Vec<String> {
    let line =
        stdout.lines().find_map(|line| line.trim_start().strip_prefix(title)).unwrap_or_else(|| panic!("no row {title} in\n{stdout}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_document_reaches_its_expected_end_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();

    let output = demo(&folder).args(["--once", "--documents", "12"]).output().unwrap();

    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    // Attempts, delivered, dead letters, redelivered, as expected. Logins stand before them; on a slow machine a token runs
    // out, and then whoever is next logs in.
    assert_eq!(row(&stdout, "a 500 first")[3..], ["2", "1", "0", "0", "yes"]);
    assert_eq!(row(&stdout, "handed in twice")[3..], ["1", "1", "0", "0", "yes"]);
    assert_eq!(row(&stdout, "refused till repaired")[3..], ["5", "1", "1", "1", "yes"]);
    assert_eq!(row(&stdout, "in all")[3..], ["17", "12", "1", "1", "yes"]);
    assert!(!stdout.contains("WRONG"), "{stdout}");
    assert!(stdout.contains("Every document reached its expected end"), "{stdout}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_document_that_goes_another_way_is_told_and_makes_it_fail() {
    let folder = tempfile::tempdir().unwrap();

    let no_retries = ["--once", "--documents", "3", "--set", "retry.delays_seconds="];
    let output = demo(&folder).args(no_retries).output().unwrap();

    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stdout}\n{stderr}");
    assert_eq!(row(&stdout, "a 500 first"), ["1", "1", "0", "1", "0", "1", "0", "NO:", "0", "of", "1"]);
    assert!(stdout.contains("(a 500 first): it became a dead letter"), "{stdout}");
    assert!(stderr.ends_with("webhook-dispatcher: not every document reached its expected end\n"), "{stderr}");
}

#[test]
fn without_once_it_stays_until_it_is_interrupted_and_keeps_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(&folder).args(["--documents", "1"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(running.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains("/api_document/document_webhooks\n") || !shown.contains("Ctrl-C") {
        assert_ne!(stdout.read_line(&mut shown).unwrap(), 0, "it ended by itself:\n{shown}");
    }

    signal("INT", &running);
    stdout.read_to_string(&mut shown).unwrap();

    assert_eq!(running.wait().unwrap().code(), Some(0), "{shown}");
    assert_eq!(shown.matches("\n  curl ").count(), 3, "{shown}");
    let kept = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert!(kept.join("dispatcher.db").is_file() && shown.contains(&kept.display().to_string()), "{shown}");
}

#[test]
fn every_system_plays_its_events_and_its_customers_are_content() {
    for (system, events) in [("sienge", 102), ("grafeno", 3), ("senior", 13)] {
        let folder = tempfile::tempdir().unwrap();

        let output = demo(&folder).args(["--once", "--system", system]).output().unwrap();

        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
        let line = format!("{events} events handed in, {events} delivered; {events} requests seen, {events} of them as they should be");
        assert!(stdout.contains(&line), "{stdout}");
        assert!(stdout.contains("Every event arrived as its customers expect it."), "{stdout}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
