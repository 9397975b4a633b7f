//! How the database is opened: the settings of every connection, and what is asserted before it is used.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use super::secrets::{encrypt_secrets_in_clear, keys_in_use, may_hold_secrets_in_clear};
use super::value::At;
use crate::domain::time::Timestamp;
use crate::secrets::Keyring;
use crate::store::driver_errors::unusable;
use crate::store::error::StoreError;
use crate::store::keys::refuse_unknown;
use crate::store::schema::{known_version, refusal, refuse_newer, refuse_other};

/// The tables, and how they came to be.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The first server whose planner keeps what the statements here ask for.
const OLDEST_SERVER: i32 = 140_000;

/// How long a start waits for the server.
const CONNECT: Duration = Duration::from_secs(10);

/// A clock that differs by more is told to the operator, and by so much more that nothing is started.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
const CLOCKS_DIFFER_TOO_MUCH: Duration = Duration::from_mins(1);

/// The newest version of the schema that `_sqlx_migrations` knows of; no row before the first migration.
const SCHEMA_VERSION: &str = "select max(version) from _sqlx_migrations where success";

const HAS_SCHEMA: &str = "select to_regclass('_sqlx_migrations') is not null";

/// What the server promises about commits, and whether it keeps the promise of a whole page.
const PROMISES: &str = "
    select current_setting('server_version_num')::integer, current_setting('fsync'), current_setting('full_page_writes'),
        pg_is_in_recovery(), clock_timestamp()";

/// How the database is reached.
#[derive(Clone)]
pub(super) struct Access {
    /// Where it is, and what a connection is set to as it is made.
    pub(super) options: PgConnectOptions,
    /// `set local …; …` for every transaction. Only through a pooler, where a connection has no session of its own: the next
    /// transaction may run in another's.
    pub(super) each_transaction: Option<String>,
}

impl Access {
    /// Whether a pooler in transaction mode is in between.
    pub(super) fn is_pooled(&self) -> bool {
        self.each_transaction.is_some()
    }
}

/// The way to the database that `url` names, directly or through a pooler in transaction mode.
pub(super) fn access(url: &str, call_limit: Duration, through_pooler: bool) -> Result<Access, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::Unusable {
        reason: "the url of the database cannot be read".to_owned(),
        source: Some(error.into()),
    })?;
    let options = options.application_name("webhook-dispatcher").statement_cache_capacity(256).disable_statement_logging();
    let settings = settings(url, call_limit);
    Ok(if through_pooler {
        // Poolers refuse a connection that asks for more than they know of.
        Access { options: options.extra_float_digits(None), each_transaction: Some(set_local(&settings)) }
    } else {
        Access { options: options.options(settings), each_transaction: None }
    })
}

/// What every statement runs under.
///
/// Commits are waited for, whatever the server's default. The server gives up on what takes too long before the caller
/// does. Plans are made for any values, along indexes, row by row: every statement here names few rows, and
/// a plan must not change with what the tables hold or with when they were last analysed.
fn settings(url: &str, call_limit: Duration) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&'static str, String)> = [
        ("synchronous_commit", "on"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("client_min_messages", "warning"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_bitmapscan", "off"),
        ("jit", "off"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.push(("statement_timeout", format!("{}ms", call_limit.mul_f64(0.8).as_millis())));
    // The tables are in the schema that the url names, or in `public`: by default PostgreSQL looks first in one that has the
    // name of the user, which may come to be after the tables.
    if !url.contains("search_path") {
        settings.push(("search_path", "public".to_owned()));
    }
    settings
}

fn set_local(settings: &[(&'static str, String)]) -> String {
    settings.iter().map(|(name, value)| format!("set local {name} = '{value}'")).collect::<Vec<_>>().join(";")
}

/// Connects, asserts that the server keeps what it commits, and brings the schema up to date; secrets that are kept in
/// clear are encrypted.
pub(super) async fn prepare(access: &Access, keyring: &Keyring, now: Timestamp) -> Result<(), StoreError> {
    let mut db = first_connection(&access.options).await?;
    match &access.each_transaction {
        None => {
            sqlx::raw_sql("set statement_timeout = 0; set lock_timeout = 0").execute(&mut db).await?;
            make_ready(&mut db, keyring, now).await?;
        }
        Some(settings) => {
            // One transaction, so that all of it has one session. When it fails the connection is dropped as it is, and the
            // pooler ends that session with whatever it holds.
            let begin = format!("begin;{settings};set local statement_timeout = 0;set local lock_timeout = 0");
            let mut transaction = db.begin_with(AssertSqlSafe(begin)).await?;
            refuse_secrets_in_clear(&mut transaction).await?;
            make_ready(&mut transaction, keyring, now).await?;
            transaction.clear_cached_statements().await?;
            transaction.commit().await?;
        }
    }
    db.close().await?;
    Ok(())
}

/// Statements of migrations may take long, and two nodes that start at once take turns: `db` must not limit either.
async fn make_ready(db: &mut PgConnection, keyring: &Keyring, now: Timestamp) -> Result<(), StoreError> {
    assert_promises(db, now).await?;
    refuse_newer(schema_version(db).await?, known_version(&MIGRATIONS))?;
    encrypt_secrets_in_clear(db, keyring).await?;
    migrate(db, None).await?;
    refuse_unknown(keyring, &keys_in_use(db).await?)
}

/// What they leave behind can be wiped out only outside of a transaction.
async fn refuse_secrets_in_clear(db: &mut PgConnection) -> Result<(), StoreError> {
    if may_hold_secrets_in_clear(db).await? {
        return Err(unusable("the database may hold secrets in clear: start once without a pooler in between, which encrypts them"));
    }
    Ok(())
}

/// Brings the schema up to date, or as far as `version`.
pub(super) async fn migrate(db: &mut PgConnection, version: Option<i64>) -> Result<(), StoreError> {
    MIGRATIONS.run_direct(version, db, false).await.map_err(refusal)
}

/// Refuses a schema other than the one this program works with.
pub(super) async fn check_schema(db: &mut PgConnection) -> Result<(), StoreError> {
    refuse_other(schema_version(db).await?, known_version(&MIGRATIONS))
}

async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let refused = |source| StoreError::Unusable { reason: format!("the database at {place} cannot be reached"), source };
    match timeout(CONNECT, options.connect()).await {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(refused(Some(error.into()))),
        Err(_) => Err(refused(None)),
    }
}

async fn assert_promises(db: &mut PgConnection, now: Timestamp) -> Result<(), StoreError> {
    let (version, fsync, full_pages, is_replica, At(clock)): (i32, String, String, bool, At) =
        sqlx::query_as(PROMISES).fetch_one(&mut *db).await?;
    if version < OLDEST_SERVER {
        return Err(unusable(format!("PostgreSQL {}.{} is too old: 14 is the oldest that will do", version / 10_000, version % 10_000)));
    }
    if is_replica {
        return Err(unusable("the database is a replica, which takes no writes: name its primary"));
    }
    if fsync != "on" || full_pages != "on" {
        return Err(unusable("the server runs with fsync or full_page_writes off: a power cut would lose what it committed"));
    }
    let difference = clock.since(now).max(now.since(clock));
    if difference > CLOCKS_DIFFER_TOO_MUCH {
        return Err(unusable(format!("this machine's clock differs from the database's by {} s: set it right", difference.as_secs())));
    }
    if difference > CLOCKS_DIFFER {
        tracing::warn!(seconds = difference.as_secs_f32(), "this machine's clock differs from the database's; retries shift by as much");
    }
    Ok(())
}

/// The version of the schema; 0 for none.
pub(super) async fn schema_version(db: &mut PgConnection) -> Result<i64, StoreError> {
    let has_schema: bool = sqlx::query_scalar(HAS_SCHEMA).fetch_one(&mut *db).await?;
    if !has_schema {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(db).await?;
    Ok(version.unwrap_or(0))
}
