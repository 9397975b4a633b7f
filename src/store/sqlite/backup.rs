//! A copy of the file while it is in use: all that was committed when the copy began, nothing of what came later.
//!
//! It only reads, so it needs no lock file: the process that owns the file goes on, and others may start and stop.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::connect::{Settings, open_reader};
use super::migrate::schema_version;
use super::statements::Statements;
use crate::store::driver_errors::unusable;
use crate::store::error::StoreError;

/// Reads every page and says `ok`, or what is wrong first.
const CHECK: &str = "PRAGMA quick_check(1)";

/// The copy is one file, without a log beside it; whoever opens it as a store makes it one with a log again.
const WITHOUT_LOG: &str = "PRAGMA journal_mode = delete";

/// What a copy turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How large it is.
    pub bytes: u64,
    /// The version of the schema that it holds, which is that of the original.
    pub schema_version: i64,
}

/// Copies the store in the file `database` to the new file `to`, which only its owner may read, and reads the copy through.
///
/// Whatever had been answered when the call began is in the copy. Under the name `to` it appears whole and on the disk, or
/// not at all. Meanwhile the log of `database` grows by all that is written to it.
///
/// # Errors
///
/// [`StoreError::Unusable`] when there is no store in `database`, when there is a file `to`, when it cannot be written, and
/// when the copy is not whole, because the original is not.
pub fn back_up(database: &Path, to: &Path) -> Result<BackedUp, StoreError> {
    let from = open_reader(&Settings::new(database))?;
    if schema_version(&from)? == 0 {
        return Err(unusable(format!("the database {} is not one of this program", database.display())));
    }
    let draft = Draft::beside(to)?;
    let schema_version = copy(&from, &draft.path)?;
    let bytes = draft.publish(to)?;
    Ok(BackedUp { bytes, schema_version })
}

/// In one step, which is one moment of the original however much is written to it meanwhile.
fn copy(from: &Connection, to: &Path) -> Result<i64, StoreError> {
    let mut copy = Connection::open(to)?;
    match Backup::new(from, &mut copy)?.step(-1)? {
        StepResult::Done => {}
        other => return Err(StoreError::Busy(format!("the copy was not made in one step: {other:?}").into())),
    }
    copy.execute_batch(WITHOUT_LOG)?;
    let found = copy.first(CHECK, (), |row| Ok(row.get::<_, String>(0)?))?.unwrap_or_default();
    if found == "ok" {
        schema_version(&copy)
    } else {
        Err(unusable(format!("the copy is not whole, because the original is not: {found}")))
    }
}

/// A file that is not finished; gone when it is not published.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    /// Makes the draft of `to`, the file `<to>.part`.
    fn beside(to: &Path) -> Result<Self, StoreError> {
        if to.exists() {
            return Err(unusable(format!("there is a file {} already", to.display())));
        }
        let mut path = to.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(|error| StoreError::Unusable {
            reason: format!("the file {} cannot be made", path.display()),
            source: Some(error.into()),
        })?;
        Ok(Self { path, file })
    }

    /// Gives it its name once it is on the disk; answers how large it is.
    fn publish(self, to: &Path) -> Result<u64, StoreError> {
        self.rename(to).map_err(|error| StoreError::Unusable {
            reason: format!("the copy cannot be kept as {}", to.display()),
            source: Some(error.into()),
        })
    }

    fn rename(&self, to: &Path) -> io::Result<u64> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(self.file.metadata()?.len())
    }
}

/// Of a published draft nothing is left under this name.
impl Drop for Draft {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %self.path.display(), error = %error, "an unfinished copy could not be removed");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

    use super::super::connect::open_writer;
    use super::super::migrate::newest;
    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        writer: Connection,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let writer = open_writer(&Settings::new(&folder.path().join("dispatcher.db"))).unwrap();
            Self { folder, writer }
        }

        fn back_up(&self) -> Result<BackedUp, StoreError> {
            back_up(&self.folder.path().join("dispatcher.db"), &self.copy())
        }

        fn copy(&self) -> PathBuf {
            self.folder.path().join("copy.db")
        }

        fn files_of_copy(&self) -> Vec<String> {
            let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with("copy")).collect()
        }
    }

    #[test]
    fn a_copy_holds_what_is_committed_and_not_what_is_under_way() {
        let scene = Scene::new();
        scene.writer.execute_batch("create table committed (x)").unwrap();
        scene.writer.execute_batch("begin immediate; create table under_way (x)").unwrap();

        let made = scene.back_up().unwrap();

        let copy = Connection::open(scene.copy()).unwrap();
        let tables = "select group_concat(name) from sqlite_schema where name in ('committed', 'under_way')";
        assert_eq!(copy.first(tables, (), |row| Ok(row.get::<_, String>(0)?)).unwrap().as_deref(), Some("committed"));
        let file = fs::metadata(scene.copy()).unwrap();
        assert_eq!(made, BackedUp { bytes: file.len(), schema_version: newest() });
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(scene.files_of_copy(), ["copy.db"]);
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let scene = Scene::new();
        fs::write(scene.copy(), "another copy").unwrap();

        assert!(scene.back_up().unwrap_err().to_string().contains("already"));

        assert_eq!(fs::read_to_string(scene.copy()).unwrap(), "another copy");
    }

    #[test]
    fn of_a_damaged_store_nothing_is_kept_that_looks_like_a_copy() {
        let scene = Scene::new();
        scene.writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let file = File::options().write(true).open(scene.folder.path().join("dispatcher.db")).unwrap();
        let first_page_of_event: i64 = scene.writer.number("select rootpage from sqlite_schema where name = 'event'", ()).unwrap();
        file.write_all_at(&[0xff; 64], (first_page_of_event.cast_unsigned() - 1) * 4096).unwrap();

        let refused = scene.back_up().unwrap_err();

        assert!(refused.to_string().starts_with("the copy is not whole, because the original is not"), "{refused}");
        assert!(scene.files_of_copy().is_empty());
    }

    #[test]
    fn what_is_no_store_is_not_copied_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, empty, copy) = (folder.path().join("missing.db"), folder.path().join("empty.db"), folder.path().join("copy.db"));
        fs::write(&empty, "").unwrap();

        assert!(back_up(&missing, &copy).unwrap_err().to_string().contains("cannot be opened"));
        assert!(back_up(&empty, &copy).unwrap_err().to_string().contains("not one of this program"));

        assert!(!missing.exists() && !copy.exists());
    }
}
