//! The folder that a demonstration keeps its store in: its own, new, for this user's eyes alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// How many names are tried.
const TRIES: u32 = 100;

/// A folder below the system's folder for temporary files.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that was not there before.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(super) fn make() -> io::Result<Self> {
        let name = format!("{}-demo-{}", env!("CARGO_PKG_NAME"), std::process::id());
        let base = std::env::temp_dir();
        for attempt in 1..=TRIES {
            let path = base.join(if attempt == 1 { name.clone() } else { format!("{name}-{attempt}") });
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // An earlier process had the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The file of the store.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("dispatcher.db")
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_are_never_the_same_and_removal_leaves_nothing() {
        let (first, second) = (Folder::make().unwrap(), Folder::make().unwrap());
        let (first_path, second_path) = (first.path().to_owned(), second.path().to_owned());
        fs::write(first.store(), "content").unwrap();

        assert_ne!(first_path, second_path);
        first.remove().unwrap();
        second.remove().unwrap();
        assert!(!first_path.exists() && !second_path.exists());
    }
}
