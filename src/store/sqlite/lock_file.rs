//! The file beside the database that says which process owns it.
//!
//! SQLite itself lets several processes write. Two dispatchers on one file would take each other's claims for those of a
//! dead predecessor, so the second one is refused.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::driver_errors::unusable;
use crate::store::error::StoreError;

/// Held for as long as the database is owned. The operating system lets go of it when the process ends, however it ends.
pub(super) struct LockFile {
    file: File,
}

impl LockFile {
    /// Takes the lock of `database`, which is the file `<database>.lock`.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| StoreError::Unusable {
            reason: format!("the lock file {} cannot be opened", path.display()),
            source: Some(error.into()),
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(unusable(format!(
                "the database {} is in use by another process, which holds the lock file {}",
                database.display(),
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(StoreError::Unusable {
                reason: format!("the lock file {} cannot be locked; a network file system will not do", path.display()),
                source: Some(error.into()),
            }),
        }
    }
}

/// Let go explicitly: a process that is just being started from this one has the file open too, and would keep the lock by it.
impl Drop for LockFile {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(error = %error, "the lock file could not be unlocked; it is closed all the same");
        }
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of the open file is what a process has that is being started.
    #[test]
    fn the_lock_is_free_once_it_is_let_go_although_a_copy_of_the_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("dispatcher.db");
        let lock = LockFile::take(&database).unwrap();
        let _copy = lock.file.try_clone().unwrap();

        assert!(LockFile::take(&database).is_err());
        drop(lock);

        assert!(LockFile::take(&database).is_ok());
    }
}
