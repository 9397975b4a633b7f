//! Tests of the code itself: what a reviewer would otherwise have to watch for. One test per rule.
//!
//! The rules are pure functions from sources to violations; each stands in `tests/tidy/` beside samples that it must
//! pass and samples that it must fail. Here they meet the package.
#![cfg(test)]

/// What the rules are made of.
mod tidy {
    pub(crate) mod caps;
    pub(crate) mod data;
    pub(crate) mod habits;
    pub(crate) mod modules;
    pub(crate) mod paths;
    pub(crate) mod places;
    pub(crate) mod source;
    pub(crate) mod tree;
    pub(crate) mod words;
}

use tidy::places::{Confined, Knows};
use tidy::source::Violation;
use tidy::tree::{self, Tree};
use tidy::words::Banned;
use tidy::{caps, data, habits, modules, places, words};

/// What each top-level module may name. A new module needs a line here, and a reason in `src/lib.rs`.
const EDGES: &[(&str, Knows)] = &[
    ("domain", Knows::Only(&[])),
    ("secrets", Knows::Only(&[])),
    ("catalog", Knows::Only(&["domain"])),
    ("config", Knows::Only(&["domain", "secrets"])),
    ("store", Knows::Only(&["domain", "secrets"])),
    ("egress", Knows::Only(&["domain", "config"])),
    ("rest", Knows::Only(&["domain", "egress"])),
    ("token", Knows::Only(&["domain", "config", "egress", "telemetry"])),
    ("node", Knows::Only(&["domain", "config", "store"])),
    ("intake", Knows::Only(&["domain", "config", "store", "telemetry"])),
    ("delivery", Knows::Only(&["domain", "catalog", "config", "store", "token", "egress", "node", "telemetry"])),
    ("maintenance", Knows::Only(&["domain", "config", "store", "node"])),
    ("management", Knows::Only(&["domain", "catalog", "config", "store"])),
    ("api", Knows::Only(&["domain", "catalog", "config", "store", "node", "intake", "management", "telemetry"])),
    ("dashboard", Knows::Only(&["domain", "catalog", "config", "store", "node", "management", "telemetry"])),
    ("alerts", Knows::Only(&["domain", "store", "egress", "node"])),
    ("telemetry", Knows::Only(&["domain", "config", "egress"])),
    ("app", Knows::AllBut(&["cli", "demo"])),
    ("cli", Knows::AllBut(&[])),
    ("demo", Knows::AllBut(&["cli"])),
];

/// Where each crate that would otherwise be everywhere belongs.
const CRATES: &[Confined] = &[
    Confined { names: &["sqlx", "rusqlite"], places: &["src/store"] },
    Confined { names: &["rustix"], places: &["src/store", "src/cli/serve"] },
    Confined { names: &["hyper", "hyper_util"], places: &["src/api/server", "src/egress"] },
    Confined { names: &["axum"], places: &["src/api", "src/dashboard", "src/app/dashboard", "src/demo"] },
    Confined { names: &["tokio_rustls", "rustls_native_certs"], places: &["src/egress"] },
    Confined { names: &["rustls"], places: &["src/egress", "src/domain/client_certificate"] },
    Confined { names: &["aws_lc_rs"], places: &["src/secrets", "src/domain/signature"] },
    Confined { names: &["jsonschema", "minijinja", "chrono_tz"], places: &["src/catalog"] },
    Confined { names: &["anyhow"], places: &["src/main", "src/cli", "src/app", "src/demo"] },
    Confined { names: &["prometheus_client", "prost"], places: &["src/telemetry"] },
    Confined { names: &["clap"], places: &["src/main", "src/cli"] },
];

/// What day it is. A measurement across processes has a clock of its own.
const CLOCK: Confined =
    Confined { names: &["Utc::now", "Local::now", "SystemTime::now"], places: &["src/domain/time", "benches/end_to_end/clock"] };

/// How long something took: only what waits for the outside world, and what watches this program from outside.
const STOPWATCH: Confined = Confined {
    names: &["Instant::now"],
    places: &[
        "src/egress",
        "src/rest",
        "src/token",
        "src/alerts",
        "src/delivery",
        "src/intake",
        "src/node",
        "src/telemetry/traces",
        "src/store/postgres",
        "src/store/sqlite/nodes",
        "src/api/server",
        "src/demo",
        "src/cli",
        "benches",
        "tests",
    ],
};

/// Chance that is not seeded.
const CHANCE: Confined =
    Confined { names: &["rand::rng", "rand::make_rng", "rand::random", "ThreadRng", "SysRng", "OsRng"], places: &["src/app"] };

/// A way to the network.
const CONNECTIONS: Confined = Confined {
    names: &["HttpConnector", "legacy::Client", "TcpStream::connect", "TcpSocket"],
    // One file opens all that carry calls: to urls that customers typed, and to the operator's own addresses. The database
    // has its own, and tests of what is served and kept make some.
    places: &["src/egress", "src/store/postgres/no_delay", "src/api/server"],
};

/// What the process was started with.
const ENVIRONMENT: Confined = Confined {
    names: &["env::var", "env::vars", "env::var_os", "env::vars_os"],
    places: &["src/main", "src/cli", "src/store/postgres/plans", "benches", "tests"],
};

/// Waiting for time to pass.
const SLEEP: Confined = Confined {
    names: &["time::sleep", "time::sleep_until", "thread::sleep"],
    places: &[
        // A demonstration runs in real time, and its slow receiver is slow on purpose.
        "src/demo",
        // A load that is refused waits as a caller would.
        "benches/end_to_end/load",
        // Whoever is told to come again later waits until then.
        "src/rest",
        // Production loops wait for what is due; tests call the steps between the waits.
        "src/delivery/pool",
        "src/maintenance/scheduler",
        // A client's time is up by a deadline; tests pause the time of the runtime.
        "src/api/server",
        // Connections that nobody uses are closed after a while.
        "src/egress/idle",
        // Signals to other nodes gather for a moment.
        "src/store/postgres/announcer",
    ],
};

/// The words that the project has other words for.
const BANNED: &[Banned] = &[
    Banned { word: "endpoint", instead: "webhook", fine_in_prose: false },
    Banned { word: "destination", instead: "webhook", fine_in_prose: false },
    Banned { word: "subscription", instead: "webhook", fine_in_prose: false },
    Banned { word: "replay", instead: "redeliver", fine_in_prose: false },
    Banned { word: "resend", instead: "redeliver", fine_in_prose: false },
    Banned { word: "lease", instead: "claim", fine_in_prose: false },
    Banned { word: "tenant_id", instead: "client_id", fine_in_prose: false },
    Banned { word: "instance", instead: "node", fine_in_prose: true },
];

#[track_caller]
fn hold(reason: &str, violations: &[Violation]) {
    let list: Vec<String> = violations.iter().map(|violation| format!("  {violation}")).collect();
    assert!(violations.is_empty(), "{reason}\n{}", list.join("\n"));
}

#[test]
fn modules_know_only_what_lies_below_them() {
    hold(
        "Dependencies between modules point one way, so that each can be read and tested without those above it.",
        &places::edges(&Tree::load().src(), EDGES),
    );
}

#[test]
fn crates_stay_in_their_places() {
    hold("A crate that is known to one module can be replaced by changing one module.", &places::crates(&Tree::load().src(), CRATES));
}

#[test]
fn the_time_of_day_comes_from_the_clock_alone() {
    hold(
        "Time is an argument: tests move it, and nothing they check depends on when they run.",
        &places::calls(&Tree::load().all(), &CLOCK),
    );
}

#[test]
fn only_what_meets_the_outside_world_measures_real_time() {
    hold(
        "Rules and queues go by the clock they are given; a stopwatch beside it would not stand still in tests.",
        &places::calls(&Tree::load().all(), &STOPWATCH),
    );
}

#[test]
fn chance_enters_in_one_place() {
    hold("Chance is an argument: a seed makes every run repeatable.", &places::calls(&Tree::load().all(), &CHANCE));
}

#[test]
fn connections_are_opened_in_one_place() {
    hold(
        "Every call goes through the guarded way out; another one would reach addresses that are not allowed.",
        &places::calls(&Tree::load().src(), &CONNECTIONS),
    );
}

#[test]
fn the_environment_is_read_in_one_place() {
    hold("Settings come through `config`, which names, checks and documents every one.", &places::calls(&Tree::load().all(), &ENVIRONMENT));
}

#[test]
fn nothing_waits_for_time_to_pass() {
    hold(
        "A sleep is slow when it is long and wrong when it is short: wait for the event, or move the clock.",
        &places::calls(&Tree::load().all(), &SLEEP),
    );
}

#[test]
fn files_stay_short() {
    hold("A file that does not fit in a head holds more than one thing.", &caps::long_files(&Tree::load().all(), 500));
}

#[test]
fn functions_stay_short() {
    hold("A function that does not fit on a screen does more than one thing.", &caps::long_functions(&Tree::load().src(), 70));
}

#[test]
fn every_file_is_compiled() {
    let tree = Tree::load();
    hold(
        "A file that no module declares is neither compiled nor tested, and looks as if it were.",
        &modules::orphans(&tree.files, &tree.roots),
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    hold("A reader decides by the first line whether to read on.", &habits::headless(&Tree::load().all()));
}

#[test]
fn what_is_left_to_do_is_an_issue() {
    hold("A marker in the code is read by nobody who plans.", &habits::open_ends(&Tree::load().all()));
}

#[test]
fn lints_are_silenced_with_a_reason() {
    hold(
        "An `expect` with a reason goes away when it is no longer needed; an `allow` stays.",
        &habits::silenced_lints(&Tree::load().all()),
    );
}

#[test]
fn one_thing_has_one_word() {
    hold("Two words for one thing make a reader look for the difference.", &words::check(&Tree::load().src(), BANNED));
}

#[test]
fn both_back_ends_have_the_same_migrations() {
    let sqlite = tree::names_in("migrations/sqlite");
    let postgres = tree::names_in("migrations/postgres");

    // A back end that is not there yet has nothing to be equal to.
    if let (Some(sqlite), Some(postgres)) = (sqlite, postgres) {
        hold("A change of the tables reaches both back ends, or they drift apart.", &data::unequal_migrations(&sqlite, &postgres));
    }
}

#[test]
fn every_setting_is_explained() {
    const PATH: &str = "config/default.toml";
    let text = tree::read(PATH).unwrap_or_default();

    hold("The default configuration is the reference of every key.", &data::unexplained_keys(PATH, &text));
}
