//! Databases that were made before secrets were encrypted: brought over when they are opened, with nothing left behind.

use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::store::Store;
use webhook_dispatcher::store::records::{Page, Scope};

use super::postgres_database::PostgresDatabase;
use super::sqlite_file::SqliteFile;
use super::webhooks::spelled;
use super::world::Database;
use crate::support::keys::{self, KEY};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// As the migrations themselves are kept account of.
const LIST_OF_MIGRATIONS: &str = "
    create table _sqlx_migrations (version bigint primary key, description text not null, installed_on timestamp not null default current_timestamp,
        success boolean not null, checksum blob not null, execution_time bigint not null)";

/// The newest schema that knew nothing of encryption.
const BEFORE: i64 = 2;

/// More than one step brings over.
const WEBHOOKS: u32 = 1_100;

/// Client, webhooks with secrets, and one without, in the words of a back end for an id and a time.
fn rows(id: impl Fn(u32) -> String, time: &str) -> String {
    let columns = "id, client_id, version, name, events, method, url, headers, authorization_fixed, authorization_headers,
        authorization_body, state, state_changed_at, created_at, updated_at";
    let webhook = |number: u32, secrets: &str| {
        format!(
            "insert into webhook ({columns}) values ({}, {}, 3, 'webhook {number}', '[\"document.finished\"]', 'POST',
             'https://receiver.example/:id', {secrets}, 'active', {time}, {time}, {time});",
            id(number),
            id(1),
        )
    };
    let secrets = |number: u32| {
        format!(
            r#"'[["X-Canary","canary h{number}"]]', 'canary f{number}', '[["Accept","canary l{number}"]]', '{{"b":"canary b{number}","a":1}}'"#
        )
    };
    let client = format!("insert into client (id, name, created_at) values ({}, 'acme', {time});", id(1));
    let webhooks = (2..2 + WEBHOOKS).map(|number| webhook(number, &secrets(number)));
    let without = webhook(2 + WEBHOOKS, "null, null, null, null");
    // Changed twice, so that old editions lie about.
    let changes = "update webhook set authorization_fixed = authorization_fixed || ' canary old';
        update webhook set authorization_fixed = replace(authorization_fixed, ' canary old', '');";
    std::iter::once(client).chain(webhooks).chain([without, changes.to_owned()]).collect()
}

async fn all_webhooks(store: &dyn Store) -> Vec<Webhook> {
    store.webhooks(Scope::All, Page { limit: WEBHOOKS + 1, before: None }).await.unwrap()
}

async fn is_brought_over(database: &dyn Database) {
    let stolen = database.stolen().await;
    assert!(stolen.windows(6).any(|part| part == b"canary"));

    let store: Arc<dyn Store> = database.open().await;

    let webhooks = all_webhooks(&*store).await;
    assert_eq!(webhooks.len(), WEBHOOKS as usize + 1);
    assert!(webhooks[0].definition.headers.is_none() && webhooks[0].definition.authorization.body.is_none());
    let of_the_last = spelled(&webhooks[1]);
    for secret in ["h1101", "f1101", "l1101", "b1101"] {
        assert!(of_the_last.contains(&format!("canary {secret}")), "{of_the_last}");
    }
    assert!(webhooks.iter().all(|webhook| webhook.version == 3));
    let used = store.keys_in_use().await.unwrap();
    assert_eq!((used.len(), used[0].key.to_string(), used[0].rows), (1, keys::id(KEY), u64::from(WEBHOOKS)));
    store.close().await;
    let stolen = database.stolen().await;
    assert!(stolen.windows(16).any(|part| part == b"receiver.example"));
    assert!(!stolen.windows(6).any(|part| part == b"canary"));
}

#[tokio::test]
async fn a_file_with_secrets_in_clear_is_brought_over_and_nothing_of_them_is_left_in_it() {
    let file = SqliteFile::fresh();
    std::fs::create_dir_all(file.path().parent().unwrap()).unwrap();
    let db = rusqlite::Connection::open(file.path()).unwrap();
    db.execute_batch("PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal").unwrap();
    db.execute_batch(LIST_OF_MIGRATIONS).unwrap();
    for migration in SQLITE.iter().filter(|migration| migration.version <= BEFORE) {
        db.execute_batch(migration.sql.as_str()).unwrap();
        let values = (migration.version, &migration.description, &migration.checksum);
        db.execute("insert into _sqlx_migrations values (?, ?, current_timestamp, true, ?, 0)", values).unwrap();
    }
    let text = rows(|number| format!("x'{number:032x}'"), "7");
    db.execute_batch(&format!("begin; {text} commit;")).unwrap();
    db.close().unwrap();

    is_brought_over(&file).await;
}

async fn old_database() -> PostgresDatabase {
    let database = PostgresDatabase::fresh();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let mut db = options.options([("search_path", "public")]).connect().await.unwrap();
    POSTGRES.run_direct(Some(BEFORE), &mut db, false).await.unwrap();
    let text = rows(|number| format!("'{}'", uuid::Uuid::from_u128(number.into())), "'2024-04-11 14:12:33.741194Z'");
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    database
}

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn a_database_with_secrets_in_clear_is_brought_over_by_whichever_node_comes_first() {
    let database = old_database().await;

    is_brought_over(&database).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, which tests/run starts"]
async fn nodes_that_start_at_once_bring_a_database_over_together() {
    let database = old_database().await;

    let (first, second, third) = tokio::join!(database.open(), database.open(), database.open());

    for store in [first, second, third] {
        assert_eq!(all_webhooks(&*store).await.len(), WEBHOOKS as usize + 1);
    }
}
